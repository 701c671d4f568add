"""Networks of the papers: images in [0, 1], (N, C, H, W), to logits (N, classes)."""
from advutils.models.dense import maxout_mlp, sigmoid_mlp, softmax_regression

__all__ = ["maxout_mlp", "sigmoid_mlp", "softmax_regression"]
