"""Every page runs through plain papermill with one changed knob, given on the command line."""

import os
import subprocess
import sys

import nbformat
import pytest

from advbook import parameters, paths, runner

CHANGED = {
    "attacks/1-attacks": ("replay", "never"),  # it has no knobs of its own
    "gradient-regularization/1-theory": ("seeds", "2"),
    "gradient-regularization/2-mnist": ("epochs_maxout", "5"),
    "gradient-regularization/3-convolutional": ("epochs_digits", "1"),
    "gradient-regularization/4-noise-model": ("max_iter", "50"),
    "representation/1-counting": ("epochs", "2"),
    "representation/2-second-derivative": ("looked_at", "5"),
    "representation/3-defences": ("seeds", "2"),
    "representation/4-evaluation": ("epochs", "3"),
    "representation/5-conjectures": ("epochs", "2"),
    "smooth-adversarial/1-smoothing": ("replay", "never"),
    "smooth-adversarial/2-mnist": ("images", "10"),
    "smooth-adversarial/3-imagenet": ("networks", "resnet8"),
    "smooth-adversarial/4-magnification": ("replay", "never"),
    "sparsity-attribution/1-sparsity": ("epochs", "1"),
    "sparsity-attribution/2-robustness": ("train_size", "300"),
    "sparsity-attribution/3-attribution": ("images", "10"),
    "universal-perturbations/1-deepfool-and-universal": ("network", "photographs-1"),
    "universal-perturbations/2-transfer": ("sources", "photographs-1,photographs-2"),
    "universal-perturbations/3-combining": ("splits", "2"),
}


def test_every_page_has_its_line_here():
    assert set(CHANGED) == {runner.name_of(path) for path in runner.find()}


@pytest.mark.check
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", CHANGED)
def test_a_page_runs_with_a_changed_knob(page, tmp_path):
    name, value = CHANGED[page]
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "standard").symlink_to(paths.root() / "results" / "standard")
    environment = {**os.environ, "PYTHONPATH": str(paths.root()), "ADVUTILS_RESULTS": str(tmp_path / "results")}
    notebook, output = paths.root() / "notebooks" / f"{page}.ipynb", tmp_path / "out.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", notebook, output, "-p", name, value],
        cwd=paths.root(),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shown = str(nbformat.read(output, as_version=4))
    if name not in parameters.ALWAYS:
        assert "(set by hand)" in shown and f"-p {name} {value}" in shown
    assert any((tmp_path / "results" / "quick").rglob("*.json"))
