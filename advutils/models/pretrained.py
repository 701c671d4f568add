"""Networks trained on ImageNet by others: images in [0, 1] to the logits of the 1,000 classes."""

from __future__ import annotations

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advutils.core import runtime
from advutils.core._torchvision import torchvision
from advutils.layers import Normalize

# Weights files under <data root>/weights, with the means and standard deviations in their headers; input pixels a side
FILES = {"inception_v1": 224, "squeezenet1_1": 224, "mobilenet_v1": 224, "mobilenet_v2": 224}
# Fetched by timm where there is a network: its name, input pixels a side
FETCHED = {"inception_v3": ("inception_v3.tf_in1k", 299), "resnetv2_50": ("resnetv2_50.a1h_in1k", 224)}

SHA256 = {  # of the files
    "inception_v1": "269742997d236e6ff98543b7b1eee2202167bc660560c1e08b837a2644211b19",
    "mobilenet_v1": "fcda303e19932facf19cb7acaccba1ce360afce10a6ad738ba037a9c755e197f",
    "mobilenet_v2": "9213235f61e24a3d88986d8469675353c349896ac0d77136a289846084e2c1c8",
    "squeezenet1_1": "5c5a429d10155f8616ec79591cf52c19b2c7d5c18daa1153c2b001a7e9344ae9",
}


class MissingWeights(FileNotFoundError):
    """The weights of a network are not on this machine."""


class DamagedWeights(ValueError):
    """A file of weights does not match its checksum."""


def checksum(name: str) -> str:
    """SHA-256 of the file of a network in ``FILES``; the ledger asks for it before each measurement that names one.

    Raises :class:`MissingWeights` if there is no file, :class:`DamagedWeights` if it is not the one that we used.
    """
    path = runtime.data_root() / "weights" / f"{name}.safetensors"
    if not path.exists():
        raise MissingWeights(f"no weights of {name}: put {path.name} into {path.parent} or set ADVUTILS_DATA")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256[name]:
        raise DamagedWeights(
            f"{path} is damaged: SHA-256 {found[:12]}, expected {SHA256[name][:12]}; put another copy there"
        )
    return found


def input_size(name: str) -> int:
    """Pixels a side of the images that :func:`pretrained` takes."""
    return FILES.get(name) or FETCHED[_known(name)][1]


def pretrained(name: str) -> nn.Sequential:
    """A network by name, in evaluation mode: images (N, 3, S, S) in [0, 1], S = ``input_size(name)``, to (N, 1000).

    "inception_v1", "squeezenet1_1", "mobilenet_v1" and "mobilenet_v2" are read from ``weights/<name>.safetensors`` in
    the data folder; "inception_v3" and "resnetv2_50" come from timm's hub. The first layer normalises the pixels as the
    weights expect. Raises ``ValueError`` for another name and :class:`MissingWeights` (with the way to get them).
    """
    if _known(name) in FETCHED:
        return _fetched(*FETCHED[name])
    from safetensors import safe_open

    path = runtime.data_root() / "weights" / f"{name}.safetensors"
    if not path.exists():
        raise MissingWeights(f"no weights of {name}: put {path.name} into {path.parent} or set ADVUTILS_DATA")
    with safe_open(path, framework="pt") as stored:
        header = stored.metadata()
        state = {key: stored.get_tensor(key) for key in stored.keys()}
    network = _body(name)
    network.load_state_dict(state)  # float16 values into float32 parameters
    mean, std = ([float(number) for number in header[key].split(",")] for key in ("mean", "std"))
    return nn.Sequential(Normalize(mean, std), network).eval()


def _known(name: str) -> str:
    if name not in FILES and name not in FETCHED:
        raise ValueError(f"name must be one of {', '.join(FILES)}, {', '.join(FETCHED)}, got {name!r}")
    return name


def _body(name: str) -> nn.Module:
    if name == "inception_v1":
        return GoogLeNet()
    if name == "squeezenet1_1":
        return torchvision().models.squeezenet1_1()
    torchvision()  # timm imports it
    import timm

    arch = {"mobilenet_v1": "mobilenetv1_100", "mobilenet_v2": "mobilenetv2_100"}[name]
    return timm.create_model(arch, pad_type="same")  # TensorFlow pads to the right and below


def _fetched(name: str, size: int) -> nn.Sequential:
    torchvision()
    import timm

    try:
        network = timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub's client raises its own, by version
        raise MissingWeights(f"timm cannot fetch {name}: {error}") from error
    return nn.Sequential(Normalize(network.default_cfg["mean"], network.default_cfg["std"]), network).eval()  # type: ignore[arg-type, index]


class GoogLeNet(nn.Module):
    """Inception V1 (Szegedy et al. 2015) as the Caffe library ships it, with its layers' names; (N, 3, 224, 224).

    Unlike torchvision's it has local response normalisation and 5x5 branches of 5x5, and no batch normalisation.
    """

    # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, after pooling
    BLOCKS = {
        "3a": (192, 64, 96, 128, 16, 32, 32),
        "3b": (256, 128, 128, 192, 32, 96, 64),
        "4a": (480, 192, 96, 208, 16, 48, 64),
        "4b": (512, 160, 112, 224, 24, 64, 64),
        "4c": (512, 128, 128, 256, 24, 64, 64),
        "4d": (512, 112, 144, 288, 32, 64, 64),
        "4e": (528, 256, 160, 320, 32, 128, 128),
        "5a": (832, 256, 160, 320, 32, 128, 128),
        "5b": (832, 384, 192, 384, 48, 128, 128),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.ModuleDict({"7x7_s2": nn.Conv2d(3, 64, 7, 2, 3)})
        self.conv2 = nn.ModuleDict({"3x3_reduce": nn.Conv2d(64, 64, 1), "3x3": nn.Conv2d(64, 192, 3, padding=1)})
        for name, (inputs, one, reduce3, three, reduce5, five, pool) in self.BLOCKS.items():
            self.add_module(
                f"inception_{name}",
                nn.ModuleDict(
                    {
                        "1x1": nn.Conv2d(inputs, one, 1),
                        "3x3_reduce": nn.Conv2d(inputs, reduce3, 1),
                        "3x3": nn.Conv2d(reduce3, three, 3, padding=1),
                        "5x5_reduce": nn.Conv2d(inputs, reduce5, 1),
                        "5x5": nn.Conv2d(reduce5, five, 5, padding=2),
                        "pool_proj": nn.Conv2d(inputs, pool, 1),
                    }
                ),
            )
        self.loss3 = nn.ModuleDict({"classifier": nn.Linear(1024, 1000)})

    def forward(self, x: Tensor) -> Tensor:
        x = _response_norm(_pool(self.conv1["7x7_s2"](x).relu()))
        x = self.conv2["3x3"](self.conv2["3x3_reduce"](x).relu()).relu()
        x = _pool(_response_norm(x))
        for name in self.BLOCKS:
            block = getattr(self, f"inception_{name}")
            x = torch.cat(
                [
                    block["1x1"](x).relu(),
                    block["3x3"](block["3x3_reduce"](x).relu()).relu(),
                    block["5x5"](block["5x5_reduce"](x).relu()).relu(),
                    block["pool_proj"](F.max_pool2d(x, 3, 1, 1)).relu(),
                ],
                dim=1,
            )
            if name in ("3b", "4e"):
                x = _pool(x)
        return self.loss3["classifier"](x.mean((2, 3)))


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def _response_norm(x: Tensor) -> Tensor:
    return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1)
