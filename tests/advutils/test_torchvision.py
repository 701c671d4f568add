"""``import torchvision`` in an environment where this package is installed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from advutils.core import torchvision_operators

ROOT = Path(__file__).parents[2]


def python(folder, code, **variables):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", **variables},
    )


@pytest.fixture
def installed(tmp_path):
    """What pip writes for the entry points of pyproject.toml, beside those of the environment."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in names.items()) for group, names in groups.items()]
    folder = tmp_path / "installed-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.parametrize("code", ["import torchvision", "import torch, torchvision", "import timm"])
def test_torchvision_can_be_imported_by_anybody(installed, code):
    done = python(installed, f"{code}\nimport torchvision; torchvision.models.resnet18(); print('ok')")
    assert done.stdout.strip() == "ok", done.stderr


@pytest.mark.skipif(
    bool(torch.version.cuda) or not torchvision_operators._needs_a_gpu_build(), reason="torch and torchvision match"
)
def test_it_is_the_entry_point_that_does_it(installed):
    done = python(installed, "import torchvision", TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    assert "torchvision::nms does not exist" in done.stderr


@pytest.mark.parametrize(
    "version, needs", [("0.28.0+cu130", True), ("0.28.0+rocm6.4", True), ("0.28.0+cpu", False), ("0.28.0", False)]
)
def test_only_builds_for_gpus_need_it(monkeypatch, tmp_path, version, needs):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise ImportError")
    (tmp_path / "torchvision" / "version.py").write_text(f"__version__ = '{version}'\n")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert torchvision_operators._needs_a_gpu_build() is needs
