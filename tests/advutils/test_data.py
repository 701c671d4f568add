"""Data sets: shapes, checksums, and errors that say what to do."""

import gzip
import struct

import pytest
import torch
from click.testing import CliRunner

from advbook.cli import main
from advutils import datasets
from advutils.core import runtime


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path))
    return tmp_path


def test_what_is_written_never_goes_to_the_data_folder(root, monkeypatch, tmp_path_factory):
    user, cache = tmp_path_factory.mktemp("user"), tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user))
    monkeypatch.delenv("ADVUTILS_CACHE", raising=False)
    assert runtime.data_root() == datasets.where() == root
    assert runtime.cache_root() == user / "advutils"
    monkeypatch.setenv("ADVUTILS_CACHE", str(cache))
    monkeypatch.delenv("ADVUTILS_DATA")
    assert runtime.data_root() == user / "advutils" and runtime.cache_root() == cache


@pytest.mark.parametrize("split, n", [("train", 1297), ("test", 500)])
def test_digits_need_nothing(root, split, n):
    x, y = datasets.load("digits", split=split)
    assert x.shape == (n, 1, 28, 28) and x.dtype == torch.float32 and y.dtype == torch.int64
    assert x.min() == 0 and x.max() == 1 and set(y.tolist()) == set(range(10))
    assert (x[:, :, :4] == 0).all() and (x[:, :, :, -4:] == 0).all()  # framed like MNIST


def test_train_and_test_digits_are_different_images(root):
    train, test = (datasets.load("digits", split=split)[0].flatten(1) for split in ("train", "test"))
    assert (torch.cdist(test, train).amin(1) > 0).all()


@pytest.mark.parametrize("name, title", [("mnist", "MNIST"), ("cifar10", "CIFAR-10")])
def test_a_missing_data_set_says_what_to_do(root, name, title):
    with pytest.raises(datasets.MissingData) as error:
        datasets.load(name)
    assert str(error.value) == f"{title} is not under {root}; set ADVUTILS_DATA or run `advbook data fetch {name}`"
    assert datasets.state(name) == "missing"


def write_mnist(root, pixel):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 60000), ("t10k", 10000)):
        images = struct.pack(">IIII", 2051, n, 28, 28) + bytes([pixel]) * (n * 784)
        labels = struct.pack(">II", 2049, n) + bytes(n)
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            (raw / f"{part}-{kind}-ubyte").write_bytes(content)
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content, 1))


def test_wrong_content_is_detected(root):
    write_mnist(root, 7)
    with pytest.raises(datasets.DamagedData, match="MNIST .* damaged.*advbook data fetch mnist"):
        datasets.load("mnist")
    assert datasets.state("mnist") == "damaged"
    (root / "MNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(b"torn")
    told = CliRunner().invoke(main, ["data", "verify", "mnist"])
    assert told.exit_code == 1 and "train: cannot be read" in told.output
    there = datasets.checksum_there("mnist", "test")
    assert f"test: SHA-256 {there}, expected {datasets.checksum('mnist', 'test')}" in told.output


def write_pictures(root):
    from PIL import Image

    folder = root / "nips2017"
    folder.mkdir()
    (folder / "labels.csv").write_text("image,label\n0.png,1\n1.png,2\n")
    for number in range(2):
        Image.new("RGB", (4, 4)).save(folder / f"{number}.png")


def write_cifar(root):
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("batches.meta", "test_batch", *(f"data_batch_{k}" for k in range(1, 6))):
        (folder / name).write_bytes(b"not what it was")


@pytest.mark.parametrize(
    "name, write, torn",
    [
        ("mnist", lambda root: write_mnist(root, 7), "MNIST/raw/t10k-images-idx3-ubyte"),
        ("cifar10", write_cifar, "cifar-10-batches-py/data_batch_3"),
        ("nips2017", write_pictures, "nips2017/1.png"),
    ],
)
@pytest.mark.parametrize("tear", ["cut", "missing"])
def test_a_torn_data_set_is_told_from_a_missing_one(root, name, write, torn, tear):
    told = CliRunner().invoke(main, ["data", "verify", name])
    assert told.exit_code == 1 and f"{name}: missing" in told.output
    write(root)
    path = root / torn
    if tear == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for names in ([name], []):  # also where nobody asked for it by name
        told = CliRunner().invoke(main, ["data", "verify", *names])
        assert told.exit_code == 1 and f"{name}: damaged" in told.output
        assert f"not usable: {name}; delete what is torn under {root}" in told.output


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("imagenet",), "name must be one of digits"),
        (("digits", "valid"), "split must be"),
        (("nips2017", "train"), "no training images"),
    ],
)
def test_unknown_names_are_named(root, arguments, message):
    name, *split = arguments
    with pytest.raises(ValueError, match=message):
        datasets.load(name, **({"split": split[0]} if split else {}))


def test_fetch_refuses_what_cannot_be_fetched(root):
    with pytest.raises(ValueError, match="labels.csv"):
        datasets.fetch("nips2017")
    assert datasets.fetch("digits") == root


@pytest.mark.parametrize("name, n, shape", [("mnist", 60000, (1, 28, 28)), ("cifar10", 50000, (3, 32, 32))])
def test_the_real_thing(name, n, shape):
    if datasets.state(name) != "ok":
        pytest.skip(f"{name} is not on this machine")
    x, y = datasets.load(name)
    assert x.shape == (n, *shape) and y.bincount().min() > 4000 and 0 <= x.min() and x.max() == 1
