"""Layers that torch does not have: maxout, dropout as pylearn2 has it, whitening, batch renormalisation, and pixels."""
from advutils.layers.batch_renorm import BatchRenorm, Loosening
from advutils.layers.conv_maxout import ConvMaxout
from advutils.layers.dropout import Dropout
from advutils.layers.maxout import Maxout
from advutils.layers.normalize import Normalize
from advutils.layers.whiten import Whiten

__all__ = ["BatchRenorm", "ConvMaxout", "Dropout", "Loosening", "Maxout", "Normalize", "Whiten"]
