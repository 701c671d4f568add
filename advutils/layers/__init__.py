"""Layers that torch does not have: maxout, dropout as pylearn2 has it, whitening, batch renormalisation,
pixels, and the neurons of Cutilli 2021."""

from advutils.layers.angular import Angular, Share, WeightedMean
from advutils.layers.batch_renorm import BatchRenorm, Loosening
from advutils.layers.conv_maxout import ConvMaxout
from advutils.layers.dropout import Dropout
from advutils.layers.elastic import Elastic, ElasticSigmoid
from advutils.layers.maxout import Maxout
from advutils.layers.normalize import Normalize
from advutils.layers.pairwise import PairwiseDifference, WeightedPairs
from advutils.layers.tanh_sigmoid import TanhSigmoid, tanh_sigmoid
from advutils.layers.whiten import Whiten

__all__ = [
    "Angular",
    "BatchRenorm",
    "ConvMaxout",
    "Dropout",
    "Elastic",
    "ElasticSigmoid",
    "Loosening",
    "Maxout",
    "Normalize",
    "PairwiseDifference",
    "Share",
    "TanhSigmoid",
    "WeightedMean",
    "WeightedPairs",
    "Whiten",
    "tanh_sigmoid",
]
