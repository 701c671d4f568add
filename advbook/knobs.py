"""The knobs of pages: what a reader may set by papermill, and within which range.

A page declares them in its parameters cell (:mod:`advbook.parameters`); one that is None keeps the profile's value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from advutils.models.pretrained import FETCHED, FILES

Settings = dict[str, object]


@dataclass(frozen=True)
class Whole:
    """A whole number from ``least`` to ``most``, which may follow from the page's settings."""

    least: int
    most: int | Callable[[Settings], int]
    kind = "int"

    def words(self) -> str:
        most = f"{self.most:,}" if isinstance(self.most, int) else "all there are"
        return f"{self.least:,} to {most}"

    def read(self, value, settings: Settings) -> int:
        most = self.most if isinstance(self.most, int) else self.most(settings)
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= most:
            raise ValueError(f"must be a whole number from {self.least:,} to {most:,}")
        return value


@dataclass(frozen=True)
class Name:
    """One of the names that ``known`` says for the page's settings."""

    known: Callable[[Settings], tuple[str, ...]]
    kind = "str"

    def words(self) -> str:
        return "one name"

    def read(self, value, settings: Settings) -> str:
        names = self.known(settings)
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"must be one of {', '.join(names[:30])}{' ...' * (len(names) > 30)}")
        return value


@dataclass(frozen=True)
class Names:
    """A list of such names, each once; also as text, ``a,b`` or ``[a, b]``, since papermill's -p knows no lists."""

    one: Name
    kind = "list[str]"

    def words(self) -> str:
        return "a,b for several"

    def read(self, value, settings: Settings) -> list[str]:
        names = (
            [part.strip(" '\"") for part in value.strip().strip("[]").split(",")] if isinstance(value, str) else value
        )
        if not isinstance(names, list | tuple) or not names:
            raise ValueError("must be a list of names, written a,b")
        for name in names:
            self.one.read(name, settings)
        if len(set(names)) < len(names):
            raise ValueError("must name each once")
        return list(names)


@dataclass(frozen=True)
class Folder:
    """A folder with the folders ``parts`` in it, or one of the data sets ``own``."""

    parts: tuple[str, ...]
    own: tuple[str, ...]
    kind = "str"

    def words(self) -> str:
        return f"or {', '.join(self.own)}"

    def read(self, value, settings: Settings) -> str:
        if not isinstance(value, str) or not value:
            raise ValueError(f"must be a folder with {' and '.join(self.parts)} in it, or {' or '.join(self.own)}")
        missing = [part for part in self.parts if not (Path(value) / part).is_dir()]
        if value not in self.own and missing:
            raise ValueError(f"must be a folder with {' and '.join(self.parts)} in it; there is no {missing[0]}")
        return value


def images(split: str) -> Callable[[Settings], int]:
    """How many images the page's data set has: ``split`` is train, test or, for perturbations, all but one."""
    return lambda settings: COUNTS[split].get(str(settings["data"]), IMAGENET)


IMAGENET = 1_281_167  # training images, of which a folder may have fewer
COUNTS = {
    "train": {"digits": 1297, "mnist": 60_000, "cifar10": 50_000, "photographs": 1254},
    "test": {"digits": 500, "mnist": 10_000, "cifar10": 10_000, "photographs": 616},
    "rest": {"photographs": 787, "nips2017": 999},
}


def _of_folder(settings: Settings) -> tuple[str, ...]:
    """Networks for natural images: small ones that are trained on the spot, or ImageNet's."""
    if settings["data"] == "photographs":
        return tuple(f"photographs-{seed}" for seed in range(10))
    from advutils.core._torchvision import torchvision

    zoo = torchvision().models
    return (*FILES, *FETCHED, *zoo.list_models(module=zoo))


def _attacked(settings: Settings) -> tuple[str, ...]:
    return ("resnet8",) if settings["data"] == "photographs" else (*FILES, *FETCHED)


def _sparse(settings: Settings) -> tuple[str, ...]:
    return (
        *("resnet50", "mobilenet", "vgg16", "vgg16-bn"),
        *("resnet-small", "mobilenet-small", "vgg-small", "vgg-small-bn", "resnet-tiny"),
    )


def _groups(settings: Settings) -> int:
    """C&W's groups lie among the images of the other attacks."""
    return settings["groups"] * settings["group"] // settings["search_group"]  # type: ignore[operator]


KNOBS = {
    "seeds": Whole(1, 100),
    "splits": Whole(1, 100),
    "epochs": Whole(1, 10_000),
    "epochs_sigmoid": Whole(1, 10_000),
    "epochs_maxout": Whole(1, 10_000),
    "epochs_digits": Whole(1, 10_000),
    "epochs_colour": Whole(1, 10_000),
    "passes": Whole(1, 10_000),
    "max_iter": Whole(1, 1_000_000),
    "looked_at": Whole(1, 10_000),
    "images": Whole(1, images("test")),
    "train_size": Whole(1, images("train")),
    "training": Whole(1, images("rest")),
    "search_groups": Whole(1, _groups),
    "data": Folder(("train", "val"), ("photographs", "nips2017")),
    "network": Name(_of_folder),
    "sources": Names(Name(_of_folder)),
    "networks": Names(Name(_sparse)),
    "smooth-adversarial/3-imagenet networks": Names(Name(_attacked)),  # a page's own range
}


def knob(page: str, name: str):
    """The range of knob ``name`` of ``page`` ("chapter/notebook"); None for one that the book does not have."""
    return KNOBS.get(f"{page} {name}", KNOBS.get(name))


def read(page: str, given: dict, settings: Settings) -> dict:
    """The values of the knobs that are not None, with lists read from text; ``settings`` are the profile's.

    Raises ``ValueError`` that names the knob, what it may be and what was given: before anything is measured. A knob
    of a fork that the book does not know must be of the type of the profile's own value.
    """
    unused = set(given) - set(settings)
    if unused:
        raise ValueError(f"parameter {', '.join(sorted(unused))} is no setting of this page's profile")
    overrides = {name: value for name, value in given.items() if value is not None}
    found: dict = {}
    for name in sorted(overrides, key=lambda name: name != "data"):  # what may be said of others follows from the data
        try:
            found[name] = _value(knob(page, name), overrides[name], {**settings, **found}, name)
        except ValueError as error:
            raise ValueError(f"parameter {name} {error}, got {overrides[name]!r}") from None
    return {name: found[name] for name in overrides}


def _value(known, value, settings: Settings, name: str):
    if known is not None:
        return known.read(value, settings)
    own = settings[name]
    same = isinstance(value, type(own)) or (isinstance(own, float) and isinstance(value, int))
    if not same or isinstance(value, bool) != isinstance(own, bool):
        raise ValueError(f"must be {type(own).__name__} like {own!r}")
    return value
