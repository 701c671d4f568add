"""Layers that torch does not have: maxout, pylearn2's dropout, pixel normalisation, whitening."""
from advutils.layers.conv_maxout import ConvMaxout
from advutils.layers.dropout import Dropout
from advutils.layers.maxout import Maxout
from advutils.layers.normalize import Normalize
from advutils.layers.whiten import Whiten

__all__ = ["ConvMaxout", "Dropout", "Maxout", "Normalize", "Whiten"]
