"""The playground's files: networks that come back as they were written, records behind them, sizes, the bundle."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from playground_page import FOLDER, NAMES, contents
from torch import nn

from advbook import claims, cli, ledger, paths, web_export
from advbook.chapters.playground import files as playground_files
from advbook.chapters.playground import rounding as playground
from advbook.chapters.playground.networks import COMMON, NETWORKS, member
from advutils import datasets, evaluation, layers, models
from advutils.models import quantisation

SOURCES = paths.root() / "book" / "playground"
ESBUILD = paths.build() / "playground" / "node_modules" / "esbuild"
MODELS = {
    "sigmoid": lambda: models.sigmoid_mlp(hidden=(20, 10)),
    "maxout": lambda: models.maxout_mlp(units=8),
    "S": lambda: models.structural(hidden=9),
    "A": lambda: models.structural(neurons="angular", activation="none", renormalised=True, hidden=9),
    "lenet": models.lenet,
    "c4": models.c4,
}


def seeded(make):
    """A network whose running statistics and biases are not the ones that it starts with."""
    torch.manual_seed(0)
    model = make()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("bias", "running_mean")):
                value.normal_()
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
    return model.eval()


# -- the layout ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_network_comes_back_from_its_file_as_its_rounded_self(name, tmp_path):
    model = seeded(MODELS[name])
    web_export.write(tmp_path / "n.js", model, name="n", title="N")
    found, facts = web_export.read(tmp_path / "n.js")
    x = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = quantisation.rounded(model)(x)
    assert torch.allclose(found(x), wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())
    assert (facts["title"], facts["answer"], facts["classes"], facts["pixels"]) == ("N", "softmax", 10, 784)


@pytest.mark.parametrize(
    "layer", [nn.Tanh(), layers.Share(784, 10), nn.Conv2d(1, 4, 3, groups=1, dilation=2), nn.MaxPool2d(3, stride=2)]
)
def test_a_layer_that_the_page_cannot_run_is_named(layer):
    with pytest.raises(ValueError, match=rf"layer 0 of the network, {type(layer).__name__}.*cannot run it"):
        web_export.script(nn.Sequential(layer), name="n", title="N")


@pytest.mark.parametrize(
    "change, message",
    [(dict(answer="argmax"), "answer must be one of"), (dict(pixels=10), "pixels must be a square number")],
)
def test_options_of_a_file_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        web_export.script(models.softmax_regression(), name="n", title="N", **change)


def test_a_file_that_is_damaged_or_none_is_refused_by_name(tmp_path):
    whole = web_export.script(models.softmax_regression(), name="n", title="N")
    document = json.loads(web_export.CALL.fullmatch(whole)[1])
    for text in (
        "",
        "alert(1)",
        whole[:200],
        json.dumps(document | {"data": document["data"][:400]}),
        json.dumps(document | {"data": document["data"] + "AAAA"}),
        json.dumps(document | {"format": "2"}),
    ):
        path = tmp_path / "bad.js"
        path.write_text(text)
        with pytest.raises(ValueError, match="bad.js is not a network of the playground"):
            web_export.read(path)


# -- the measurements, at their smallest ---------------------------------------------------------------------------

SMALL = {
    "dense": dict(
        family="dense", spec=dict(data="digits", network="sigmoid-mlp", width=10, epochs=1, seed=0, train_size=100)
    ),
    "angular": dict(family="structural", spec=dict(data="digits", kind="A", side=28, epochs=1, seed=0, train_size=60)),
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", SMALL)
def test_what_rounding_costs_is_measured_on_any_device(name, device, cache):
    values, arrays = playground.rounding(**SMALL[name])
    for error, wrong in (("error", "wrong"), ("error_int8", "wrong_int8")):
        assert values[error] == np.unpackbits(arrays[wrong]).sum() / values["trials"]
    assert values["weights"] != values["rounded"] and values["largest"] > 0
    ledger.canonical(values)


def test_digits_are_the_first_of_each_class_and_doubtful_ones(device, cache):
    values, arrays = playground.shown_digits(data="digits", chooser="dense", members=SMALL)
    labels = datasets.load("digits", split="test")[1]
    assert [row["label"] for row in values["digits"]] == [*range(10), *range(10)]
    assert [row["index"] for row in values["digits"][:10]] == [(labels == k).nonzero()[0].item() for k in range(10)]
    assert arrays["images"].shape == (20, 28, 28)


def test_a_common_perturbation_is_kept_in_steps_of_its_bound(device, cache):
    values, arrays = playground.common_perturbation(data="digits", members=SMALL, images=6, passes=1, eps=0.3, seed=0)
    assert arrays["perturbation"].dtype == np.int8 and arrays["perturbation"].shape == (28, 28)
    assert all(0 <= share <= 1 for kind in ("fooling", "random", "clipped") for share in values[kind].values())


def test_unknown_families_and_networks_are_refused():
    with pytest.raises(ValueError, match="family must be one of dense, structural"):
        playground.network("convolutional", {})
    with pytest.raises(ValueError, match="no network 'vgg'"):
        member("vgg")


# -- what is committed ---------------------------------------------------------------------------------------------


def records(function: str) -> list[ledger.Record]:
    return ledger.records("standard", "playground", function)


def test_rounding_changes_no_networks_test_error_by_more_than_a_tenth_of_a_point():
    found = records("rounding")
    assert len(found) == len(NETWORKS)
    for record in found:
        assert record["trials"] == 10000 and abs(record["error"] - record["error_int8"]) <= 0.001


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_network_names_its_record_and_the_weights_that_it_measured(name):
    origin = web_export.read(FOLDER / "networks" / f"{name}.js")[1]["origin"]
    record = ledger.read(paths.root() / origin["record"])
    assert record.parameters == member(name) and record.provenance["dirty"] is False
    assert (origin["weights"], origin["rounded"]) == (record["weights"], record["rounded"])
    assert record["weights"] in [weights for used in record.provenance["networks"] for weights in used["weights"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_committed_network_makes_the_very_errors_of_its_record(name):
    try:
        images, labels = datasets.load("mnist", split="test")
    except datasets.MissingData as error:
        pytest.skip(str(error))
    model, facts = web_export.read(FOLDER / "networks" / f"{name}.js")
    record = ledger.read(paths.root() / facts["origin"]["record"])
    wrong = evaluation.wrong(model, images, labels).numpy()
    assert (wrong != np.unpackbits(record.arrays["wrong_int8"])[:10000]).sum() <= 3  # folded sums round differently


def test_the_page_shows_what_is_recorded():
    assert playground_files.contents(replay="only") == (FOLDER / "contents.js").read_text()


def test_files_are_small():
    sizes = {path.relative_to(FOLDER).as_posix(): path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    networks = {name: sizes.pop(f"networks/{name}.js") for name in NAMES}
    assert max(networks.values()) <= 1.7e6 and sum([*networks.values(), *sizes.values()]) <= 6e6
    assert sizes.keys() == {"contents.js", "index.html", "playground.css", "playground.js"}


def test_links_lead_somewhere():
    for row in [*contents()["networks"], contents()["common"], {"record": contents()["chosen"]}]:
        assert (paths.root() / row["record"]).exists()
    tour = (SOURCES / "src" / "tour.js").read_text()
    named = re.findall(r'"([a-z0-9-]+)":', "".join(re.findall(r"claims: \{(.*?)\}", tour, re.DOTALL)))
    assert len(named) >= 6 and set(named) <= {claim["id"] for claim in claims.evaluate()}
    assert "book/playground" in (paths.root() / "_toc.yml").read_text()


def test_the_committed_script_is_what_the_sources_give(tmp_path):
    if shutil.which("node") is None or not ESBUILD.exists():
        pytest.skip("node or esbuild is not here; run `make playground`")
    subprocess.run(
        ["node", str(SOURCES / "build.cjs"), str(tmp_path / "p.js")],
        check=True,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "NODE_PATH": str(ESBUILD.parent)},
    )
    assert (tmp_path / "p.js").read_bytes() == (FOLDER / "playground.js").read_bytes(), "run `make playground`"


# -- the command ---------------------------------------------------------------------------------------------------


def test_a_network_is_exported_by_its_record(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    ledger.measure(playground.rounding, SMALL["angular"], profile="quick", chapter="playground")
    (record,) = (tmp_path / "results" / "quick" / "playground" / "train_defence").glob("*.json")
    target = tmp_path / "mine.js"
    done = CliRunner().invoke(cli.main, ["export-web", str(record), "--to", str(target), "--answer", "none"])
    assert done.exit_code == 0, done.output
    model, facts = web_export.read(target)
    x = datasets.load("digits", split="test")[0][:20]
    wanted = quantisation.rounded(playground.network(**SMALL["angular"]))(x)
    assert torch.allclose(model(x), wanted, atol=1e-4) and facts["answer"] == "none"


@pytest.mark.parametrize(
    "argument, message",
    [("vgg", "no network 'vgg' in the playground; there are sigmoid"), ("absent.json", "absent.json")],
)
def test_what_cannot_be_exported_gets_one_line(argument, message):
    done = CliRunner().invoke(cli.main, ["export-web", argument])
    assert done.exit_code == 1 and message in done.output and len(done.output.strip().splitlines()) == 1


def test_the_pages_text_tells_the_sizes_that_the_networks_and_attacks_have():
    """Numbers that prose repeats: epochs, images and budget of the universal perturbation, steps of PGD."""
    text = " ".join((paths.root() / "book" / "playground.md").read_text().split())
    epochs = [NETWORKS[name]["spec"]["epochs"] for name in ("maxout", "thesis-A", "fgsm-trained")]
    assert "fewer epochs ({}, {} and {})".format(*epochs) in text
    assert f"at {COMMON['eps']:g}, from {COMMON['images']} training".replace("0.3", ".3") in text
    steps = re.search(r"const STEPS = (\d+);", (SOURCES / "src" / "attacks.js").read_text())[1]
    assert f"PGD makes {steps} steps of 2.5 budgets / {steps}" in text
