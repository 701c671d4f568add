"""Networks of the papers: images in [0, 1], (N, C, H, W), to logits (N, classes)."""

from advutils.models.c4 import c4
from advutils.models.cifar import last_maps, mobilenet, resnet50, vgg16, vgg16_bn
from advutils.models.conv_maxout import conv_maxout_cifar, conv_maxout_mnist
from advutils.models.counting import counter, field_of_view, fields
from advutils.models.dense import maxout_mlp, sigmoid_mlp, softmax_regression
from advutils.models.pretrained import input_size, pretrained
from advutils.models.small import lenet, resnet8
from advutils.models.structural import structural
from advutils.models.zoo import zoo

__all__ = [
    "c4",
    "conv_maxout_cifar",
    "conv_maxout_mnist",
    "counter",
    "field_of_view",
    "fields",
    "input_size",
    "last_maps",
    "lenet",
    "maxout_mlp",
    "mobilenet",
    "pretrained",
    "resnet8",
    "resnet50",
    "sigmoid_mlp",
    "softmax_regression",
    "structural",
    "vgg16",
    "vgg16_bn",
    "zoo",
]
