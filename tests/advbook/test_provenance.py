"""What a record says of its origin: code, machine, data, memory, networks."""

import importlib

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from measuring import calls, measure, square

from advbook import provenance
from advbook.cli import main
from advutils.core import files

pretrained = importlib.import_module("advutils.models.pretrained")  # the package has a function of that name
pytestmark = pytest.mark.usefixtures("results")


def test_provenance_is_complete():
    origin = measure(square, x=2.0, seed=5).provenance
    assert origin["seed"] == 5 and origin["seconds"] >= 0 and origin["machine"]["threads"] >= 1
    for field in (
        "commit",
        "dirty",
        "function",
        "code",
        "versions",
        "machine",
        "data",
        "weights",
        "peak_memory_mib",
        "date",
    ):
        assert field in origin
    assert origin["versions"]["torch"] and origin["versions"]["scikit-image"] and origin["weights"] is None


def hungry(*, mib: int):
    return {"sum": float(np.ones(mib * 2**17).sum())}


@pytest.mark.parametrize("allowed", (True, False))
def test_peak_memory_is_the_measurement_s_own(allowed, monkeypatch):
    if not provenance._reset_mark():
        pytest.skip("this system resets no mark of the largest memory")
    if not allowed:
        monkeypatch.setattr(provenance, "_reset_mark", lambda: False)
    small, large, after = (measure(hungry, mib=mib).provenance["peak_memory_mib"] for mib in (1, 600, 2))
    assert small > 20 and large > small + 500 and after < large - 500


def test_on_a_gpu_the_peak_is_the_gpu_s_and_reset_before(monkeypatch):
    did = []
    monkeypatch.setenv("ADVUTILS_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", did.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    assert provenance.PeakMemory().mib() == 3 and did == [torch.device("cuda")]


def test_the_device_of_a_record_is_the_one_that_measurements_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "a large GPU")
    assert provenance.machine()["device"] == "a large GPU"
    monkeypatch.setenv("ADVUTILS_DEVICE", "cpu")
    assert provenance.machine()["device"] == "cpu"


def test_provenance_knows_the_data_and_seed_of_a_network_that_is_handed_over():
    def judged(*, spec: dict) -> dict:
        return {"x": 1.0}

    def transferred(*, source: dict, target: dict) -> dict:
        return {"x": 1.0}

    def mixed(*, first: dict, second: dict) -> dict:
        return {"x": 1.0}

    spec = {"data": "digits", "seed": 3}
    for origin in (
        measure(judged, spec=spec).provenance,
        measure(mixed, first=spec, second=spec).provenance,
        measure(transferred, source={"data": "photographs", "seed": 4}, target=spec).provenance,
    ):
        assert origin["seed"] == 3 and origin["data"]["name"] == "digits" and origin["data"]["test"]


def test_weights_are_compared_with_their_checksum_before_anything_is_measured(monkeypatch, tmp_path):
    def fooled(*, networks: list) -> dict:
        calls.append(networks)
        return {"x": 1.0}

    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path))
    with pytest.raises(pretrained.MissingWeights, match="no weights of inception_v1"):
        measure(fooled, networks=["inception_v1"])
    file = tmp_path / "weights" / "inception_v1.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"torn")
    with pytest.raises(pretrained.DamagedWeights, match="another copy"):
        measure(fooled, networks=["inception_v1"])
    refused = CliRunner().invoke(main, ["data", "verify"])
    assert refused.exit_code and "weights of inception_v1: damaged" in refused.output
    assert "another copy" in refused.output and "data fetch" not in refused.output
    assert "weights of mobilenet_v1: missing" in refused.output
    assert not calls
    monkeypatch.setitem(pretrained.SHA256, "inception_v1", files.sha256(b"torn"))
    assert measure(fooled, networks=["inception_v1"]).provenance["weights"] == {"inception_v1": files.sha256(b"torn")}
