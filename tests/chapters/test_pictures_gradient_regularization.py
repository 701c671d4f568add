"""The measurements behind the pictures of the theory page."""

import numpy as np
import pytest

from advbook.chapters.gradient_regularization import pictures as visual


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Fifteen epochs on the embedded digits, checkpoints in a folder of the test."""
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path))
    return {"data": "digits", "network": "sigmoid-mlp", "epochs": 15, "seed": 0}


def test_section_3_measurements(tiny):
    read = visual.erase_inject(images=60, sigmas=[1.0, 10.0], **tiny)
    assert read["identity_gap"] < 1e-9 and 0 <= read["share_pair"] <= 1
    assert read["share_pair"] >= read["cos_pair"] ** 2 - 1e-12  # a mean of squares
    assert sum(read["band_images"]) <= 60
    shown, arrays = visual.pictures(sigmas=[1.0, 10.0], **tiny)
    assert [row["label"] for row in shown["digits"]] == list(range(10))
    assert arrays["images"].dtype == np.uint8 and arrays["directions"].dtype == np.float16
    assert len(arrays["images"]) == 10 + len(shown["morphs"])
    carried = visual.transfer(images=60, sigmas=[0.0, 10.0], target_seed=1, **tiny)
    assert carried["own"][0] == carried["network"][0] == carried["softmax"][0] == 0  # all classify these correctly
