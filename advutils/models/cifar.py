"""ResNet-50, MobileNet and VGG-16 for images of 32 pixels a side, and narrower siblings of each for CPUs.

The networks of Schwartz, Alparslan and Kim 2020, which name them and say no more. ``width`` multiplies the channels;
``stride`` of ResNet-50 is that of its first convolution, 1 as usual for small images, 2 for a quarter of the work.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from advutils.core._torchvision import torchvision


def resnet50(
    *, classes: int = 10, width: float = 1.0, blocks: tuple[int, ...] = (3, 4, 6, 3), stride: int = 1
) -> nn.Module:
    """He et al. 2016: bottleneck blocks in four stages, (N, 3, 32, 32) -> (N, classes).

    The first convolution is 3x3 and nothing is pooled after it, as He et al. have it for CIFAR-10; its 64 channels
    stay. ``blocks`` are the numbers of blocks in the stages.
    """
    torchvision()  # timm imports it
    from timm.models.resnet import Bottleneck, ResNet

    network = ResNet(
        Bottleneck,  # type: ignore[arg-type]
        tuple(blocks),
        num_classes=classes,
        channels=tuple(round(c * width) for c in (64, 128, 256, 512)),
        zero_init_last=False,
    )
    network.conv1 = nn.Conv2d(3, 64, 3, stride, padding=1, bias=False)  # type: ignore[assignment]
    network.maxpool = nn.Identity()  # type: ignore[assignment]
    return network


def mobilenet(*, classes: int = 10, width: float = 1.0) -> nn.Sequential:
    """Howard et al. 2017, Table 1: depthwise and pointwise convolutions in turn, (N, 3, 32, 32) -> (N, classes).

    The first convolution has stride 1 in place of 2.
    """
    inputs, *outputs = (round(c * width) for c in (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024))
    layers = _convolution(3, inputs, 3)
    for number, channels in enumerate(outputs):
        halved = 2 if number in (1, 3, 5, 11) else 1
        layers += _convolution(inputs, inputs, 3, stride=halved, groups=inputs) + _convolution(inputs, channels, 1)
        inputs = channels
    return nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def _convolution(inputs: int, outputs: int, kernel: int, **options: Any) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    ]


def vgg16(*, classes: int = 10, width: float = 1.0) -> nn.Sequential:
    """Simonyan and Zisserman 2015, configuration D without batch normalisation, (N, 3, 32, 32) -> (N, classes).

    Five times halved, 32 pixels leave one; one linear layer follows, as usual for CIFAR-10.
    """
    from_torchvision = torchvision().models.vgg
    plan = [size if size == "M" else round(size * width) for size in from_torchvision.cfgs["D"]]
    features = from_torchvision.make_layers(plan)
    for layer in features:
        if isinstance(layer, nn.Conv2d):  # as torchvision starts its VGG; PyTorch's default leaves 16 layers silent
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(features, nn.Flatten(), nn.Linear(plan[-2], classes))


def vgg16_bn(*, classes: int = 10, width: float = 1.0) -> nn.Sequential:
    """As :func:`vgg16`, with batch normalisation (Ioffe and Szegedy 2015) between each convolution and its rectifier.

    Simonyan and Zisserman have none; torchvision ships both. (N, 3, 32, 32) -> (N, classes).
    """
    from_torchvision = torchvision().models.vgg
    plan = [size if size == "M" else round(size * width) for size in from_torchvision.cfgs["D"]]
    features = from_torchvision.make_layers(plan, batch_norm=True)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.Sequential(features, nn.Flatten(), nn.Linear(plan[-2], classes))


def last_maps(network: nn.Module) -> nn.Module:
    """The layer whose output are the last maps before the classifier, where Grad-CAM (Selvaraju et al. 2017) looks.

    After the activation: the last stage of a ResNet, else the last rectifier.
    """
    if hasattr(network, "layer4"):
        return network.layer4  # type: ignore[return-value]
    return [module for module in network.modules() if isinstance(module, nn.ReLU | nn.ReLU6)][-1]
