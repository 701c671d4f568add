"""Layers that torch does not have: maxout, pylearn2's dropout, pixel normalisation, batch renormalisation."""
from advutils.layers.batch_renorm import BatchRenorm, Loosening
from advutils.layers.dropout import Dropout
from advutils.layers.maxout import Maxout
from advutils.layers.normalize import Normalize

__all__ = ["BatchRenorm", "Dropout", "Loosening", "Maxout", "Normalize"]
