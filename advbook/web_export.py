"""Networks as files for the playground: weights in int8 with a scale a row, in a script that works from file:// too.

A file is one call, ``advbookNetwork({...});``, of JSON with

* ``format``: "advbook network 1"; ``name``, ``title``, and ``answer``, how logits become answers: "softmax", "sigmoid"
  or "none"; ``pixels`` (a square number) and ``classes``; ``origin``, any facts (of the book's own: the record);
* ``layers``: in order, each with ``kind`` and the sizes below;
* ``data``: base64 of the layers' numbers, one layer after the other, without gaps, little-endian.

==========  =============================================  ==========================================================
kind        sizes                                          numbers in ``data``
==========  =============================================  ==========================================================
affine      ``factor``, ``shift``: x factor + shift        none
dense       ``in``, ``out``                                int8 (out, in), float32 scale (out), float32 bias (out)
maxout      ``in``, ``out``, ``pieces``                    as dense with out x pieces rows, a unit's rows adjacent
angular     ``in``, ``out``, ``c``                         as dense: w a / (||w|| ||a|| + c) + bias
conv        ``in``, ``out`` (channels), ``side`` of its     as dense, of rows (in, kernel, kernel)
            input, ``kernel``, ``stride``, ``padding``
maxpool     ``channels``, ``side``, ``kernel``              none; the stride is the kernel
unit        ``size``                                       float32 factor (size), float32 shift (size)
sigmoid     none                                           none
relu        none                                           none
==========  =============================================  ==========================================================
"""

from __future__ import annotations

import base64
import json
import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from advutils import layers
from advutils.core import files
from advutils.models import quantisation

FORMAT = "advbook network 1"
ANSWERS = ("softmax", "sigmoid", "none")
CALL = re.compile(r"\s*(?:advbookNetwork\()?(\{.*\})(?:\);)?\s*", re.DOTALL)


class Unit(nn.Module):
    """x factor + shift with one of each a feature, (N, size) -> the same: batch normalisation at test time."""

    def __init__(self, factor: Tensor, shift: Tensor):
        super().__init__()
        self.factor, self.shift = nn.Parameter(factor), nn.Parameter(shift)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.shift


def script(
    model: nn.Sequential,
    *,
    name: str,
    title: str,
    answer: str = "softmax",
    pixels: int = 784,
    origin: dict | None = None,
) -> str:
    """The text of the file of a network that maps square images (N, 1, H, W) with H W = ``pixels`` to logits.

    Dropout and flattening leave no trace. Raises ``ValueError`` naming the layer for one that the page cannot run (see
    the table above), for another ``answer``, and for ``pixels`` that are no square.
    """
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise ValueError(f"pixels must be a square number, got {pixels}")
    if answer not in ANSWERS:
        raise ValueError(f"answer must be one of {', '.join(ANSWERS)}, got {answer!r}")
    described, numbers, shape = [], [], (1, side)  # channels and side, or features once they are flat
    for place, layer in enumerate(model):
        try:
            found, data, shape = _described(layer, shape)  # type: ignore[assignment]
        except ValueError as error:
            raise ValueError(f"layer {place} of the network, {layer}: {error}") from None
        described += [found] if found else []
        numbers.append(data)
    if not isinstance(shape, int):
        raise ValueError(f"the network must end with logits, it ends with maps of {shape[0]} channels")
    document = {
        "format": FORMAT,
        "name": name,
        "title": title,
        "answer": answer,
        "pixels": pixels,
        "classes": shape,
        "origin": origin or {},
        "layers": described,
        "data": base64.b64encode(b"".join(numbers)).decode(),
    }
    return f"advbookNetwork({json.dumps(document, allow_nan=False)});\n"


def write(path: Path, model: nn.Sequential, **options) -> None:
    """Write :func:`script` to a file, atomically."""
    files.write_atomic(path, script(model, **options).encode())


def _described(layer: nn.Module, shape) -> tuple[dict | None, bytes, tuple | int]:
    """A layer's entry (None: it does nothing here), its numbers, and the shape of what it gives."""
    features = shape if isinstance(shape, int) else shape[0] * shape[1] ** 2
    match layer:
        case nn.Flatten() | nn.Identity() | layers.Dropout() | nn.Dropout():
            return None, b"", features if isinstance(layer, nn.Flatten) else shape
        case layers.Normalize() if layer.mean.numel() == 1:  # type: ignore[operator]
            mean, std = layer.mean.item(), layer.std.item()  # type: ignore[operator]
            factor, shift = map(float, np.float32([1 / std, -mean / std]))  # type: ignore[arg-type, call-overload]
            return {"kind": "affine", "factor": factor, "shift": shift}, b"", shape
        case nn.Linear():
            return {"kind": "dense", "in": features, "out": layer.out_features}, _rows(layer), layer.out_features
        case layers.Maxout():
            units = layer.affine.out_features // layer.pieces
            sizes = {"kind": "maxout", "in": features, "out": units, "pieces": layer.pieces}
            return sizes, _rows(layer.affine), units
        case layers.Angular():
            return (
                {"kind": "angular", "in": features, "out": len(layer.bias), "c": layer.c},
                _rows(layer),
                len(layer.bias),
            )
        case nn.Conv2d() if _plain(layer) and not isinstance(shape, int):
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            sizes = {
                "kind": "conv",
                "in": shape[0],
                "out": layer.out_channels,
                "side": shape[1],
                "kernel": kernel,
                "stride": stride,
                "padding": padding,
            }
            return sizes, _rows(layer), (layer.out_channels, (shape[1] + 2 * padding - kernel) // stride + 1)
        case nn.MaxPool2d() if (
            not isinstance(shape, int)
            and layer.kernel_size == layer.stride
            and (not layer.padding and layer.dilation == 1 and not layer.ceil_mode)
        ):
            sizes = {"kind": "maxpool", "channels": shape[0], "side": shape[1], "kernel": layer.kernel_size}
            return sizes, b"", (shape[0], shape[1] // layer.kernel_size)
        case layers.BatchRenorm() | nn.BatchNorm1d() if isinstance(shape, int):
            factor = layer.weight / (layer.running_var + layer.eps).sqrt()  # type: ignore[operator, union-attr]
            return {"kind": "unit", "size": shape}, _floats(factor, layer.bias - layer.running_mean * factor), shape  # type: ignore[operator]
        case Unit():
            return {"kind": "unit", "size": features}, _floats(layer.factor, layer.shift), features
        case nn.Sigmoid():
            return {"kind": "sigmoid"}, b"", shape
        case nn.ReLU():
            return {"kind": "relu"}, b"", shape
    raise ValueError(
        "the page cannot run it; it has dense, maxout, angular and square convolutional layers, batch "
        "normalisation of flat features, max pooling, sigmoid and rectifier"
    )


def _plain(layer: nn.Conv2d) -> bool:
    """Whether a convolution is square, without groups and dilation, padded by zeros."""
    pairs = (layer.kernel_size, layer.stride, layer.padding)
    return (
        all(isinstance(pair, tuple) and pair[0] == pair[1] for pair in pairs)
        and layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
    )


def _rows(layer: nn.Module) -> bytes:
    """Weights as int8 rows, their scales, and the biases (0 where there are none)."""
    numbers, scale = quantisation.int8_rows(layer.weight)  # type: ignore[arg-type]
    bias = torch.zeros(len(scale)) if layer.bias is None else layer.bias
    return numbers.cpu().numpy().tobytes() + _floats(scale, bias)  # type: ignore[arg-type]


def _floats(*tensors: Tensor) -> bytes:
    return b"".join(tensor.detach().cpu().numpy().astype("<f4").tobytes() for tensor in tensors)


# -- and back, so that Python can be asked about the very numbers of a file --------------------------------------------


def read(path: Path) -> tuple[nn.Sequential, dict]:
    """The network of a file, in evaluation mode, and the file's entries without ``layers`` and ``data``.

    Raises ``ValueError`` naming the file if it is none of a network, or is cut short.
    """
    found = CALL.fullmatch(path.read_text())
    try:
        document = json.loads(found[1] if found else "")
        stream = _Numbers(base64.b64decode(document.pop("data"), validate=True))
        model = nn.Sequential(nn.Flatten(), *[_layer(entry, stream) for entry in document.pop("layers")])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a network of the playground: {error}") from None
    if document.get("format") != FORMAT or stream.rest():
        raise ValueError(f"{path} is not a network of the playground: another format, or numbers are left over")
    return model.eval().requires_grad_(False), document


class _Numbers:
    """The numbers of ``data``, taken one after the other."""

    def __init__(self, raw: bytes):
        self.raw, self.at = raw, 0

    def take(self, kind: str, *shape: int) -> Tensor:
        count = math.prod(shape)
        found = np.frombuffer(self.raw, kind, count, self.at)
        self.at += found.nbytes
        return torch.from_numpy(found.copy()).reshape(shape)

    def rest(self) -> int:
        return len(self.raw) - self.at


def _layer(entry: dict, stream: _Numbers) -> nn.Module:
    match entry["kind"]:
        case "affine":
            return Unit(torch.tensor(float(entry["factor"])), torch.tensor(float(entry["shift"])))
        case "dense":
            return _filled(nn.Linear(entry["in"], entry["out"]), stream)
        case "maxout":
            layer = layers.Maxout(entry["in"], entry["out"], entry["pieces"])
            _filled(layer.affine, stream)
            return layer
        case "angular":
            return _filled(layers.Angular(entry["in"], entry["out"], c=entry["c"]), stream)
        case "conv":
            convolution = nn.Conv2d(entry["in"], entry["out"], entry["kernel"], entry["stride"], entry["padding"])
            return nn.Sequential(
                nn.Unflatten(1, (entry["in"], entry["side"], entry["side"])), _filled(convolution, stream), nn.Flatten()
            )
        case "maxpool":
            return nn.Sequential(
                nn.Unflatten(1, (entry["channels"], entry["side"], entry["side"])),
                nn.MaxPool2d(entry["kernel"]),
                nn.Flatten(),
            )
        case "unit":
            return Unit(stream.take("<f4", entry["size"]), stream.take("<f4", entry["size"]))
        case "sigmoid":
            return nn.Sigmoid()
        case "relu":
            return nn.ReLU()
    raise ValueError(f"no layer is called {entry['kind']!r}")


def _filled(layer: nn.Module, stream: _Numbers) -> nn.Module:
    with torch.no_grad():
        numbers = stream.take("i1", *layer.weight.shape)  # type: ignore[misc]
        layer.weight.copy_(quantisation.from_int8(numbers, stream.take("<f4", len(numbers))))  # type: ignore[operator]
        layer.bias.copy_(stream.take("<f4", len(numbers)))  # type: ignore[operator]
    return layer
