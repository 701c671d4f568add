"""Networks of the papers: images in [0, 1], (N, C, H, W), to logits (N, classes)."""
from advutils.models.dense import maxout_mlp, sigmoid_mlp, softmax_regression

BUILDERS = {"sigmoid-mlp": sigmoid_mlp, "maxout-mlp": maxout_mlp, "softmax": softmax_regression}


def build(name: str, **options):
    """A freshly initialised network by name (one of ``BUILDERS``); draws from torch's global generator."""
    if name not in BUILDERS:
        raise ValueError(f"model must be one of {', '.join(sorted(BUILDERS))}, got {name!r}")
    return BUILDERS[name](**options)


__all__ = ["BUILDERS", "build", "maxout_mlp", "sigmoid_mlp", "softmax_regression"]
