"""Where a data set was loaded from, so that the same images can be loaded again from any folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What stands behind the colon of these is a path.
_PATHS = ("folder", "npz")
# Classes with commas between them, in quotes where they hold one; what follows the @ is a name of its own.
_CLASS = r'(?:\s*"(?:[^"]|"")*"\s*|[^,@]*)'
_CLASSES = re.compile(f"classes:{_CLASS}(?:,{_CLASS})*@")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What `load_dataset` was told.

    Args:
        spec: As `load_dataset` takes it, its path made absolute.
        path: The file or folder; None where the set has none of its own.
        data_dir: Where TensorFlow Datasets keeps its prepared sets; None is its default.
        train_size: Size of the balanced part that is trained on; None takes all.
        skip_corrupt: Whether unreadable images are left out.
        seed: Decides the balanced part, and a test split that the set does not bring.
    """

    spec: str
    path: Path | None = None
    data_dir: Path | None = None
    train_size: int | None = None
    skip_corrupt: bool = False
    seed: int = 0

    def to_config(self) -> dict[str, Any]:
        """Return JSON content."""
        return {
            "spec": self.spec,
            "path": None if self.path is None else str(self.path),
            "data_dir": None if self.data_dir is None else str(self.data_dir),
            "train_size": self.train_size,
            "skip_corrupt": self.skip_corrupt,
            "seed": self.seed,
        }


def absolute_spec(spec: str, path: Path | None = None) -> tuple[str, Path | None]:
    """Return the name of a data set with its path made absolute, and that path.

    Args:
        spec: `digits`, `folder:PATH`, `npz:PATH`, a name of TensorFlow Datasets or of a plug-in.
        path: The file or folder that the source says it has read; a plug-in's argument is a path where it leads there.
    """
    some, inner = split_classes(spec)
    if some:
        inner, path = absolute_spec(inner, path)
        return some + inner, path
    name, _, argument = spec.partition(":")
    if not argument:
        return spec, path
    named = absolute_path(argument)
    if name in _PATHS or (path is not None and named == absolute_path(path)):
        return f"{name}:{named}", named
    return spec, path


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that means the same from every folder; links on the way stay links.

    Args:
        path: As a user wrote it, perhaps with `~`.
    """
    return Path(os.path.abspath(Path(path).expanduser()))


def may_share_images(spec: str, other: str) -> bool:
    """Tell whether two names of data sets are the same, or one lies in the folder of the other.

    Args:
        spec: One.
        other: The other.
    """
    if is_same_place(spec, other):
        return True
    paths = [absolute_spec(each)[1] for each in (spec, other)]
    if None in paths:
        return False
    one, two = (Path(os.path.realpath(path)) for path in paths if path is not None)
    return one.is_relative_to(two) or two.is_relative_to(one)


def is_same_place(spec: str, other: str) -> bool:
    """Tell whether two names of data sets are the same or lie in the same place.

    Args:
        spec: One.
        other: The other.
    """
    if split_classes(spec)[0] != split_classes(other)[0]:
        return False
    (one, one_path), (two, two_path) = absolute_spec(spec), absolute_spec(other)
    if one_path is None or two_path is None:
        return one == two
    same_kind = one.partition(":")[0] == two.partition(":")[0]
    return same_kind and os.path.realpath(one_path) == os.path.realpath(two_path)


def split_classes(spec: str) -> tuple[str, str]:
    """Return what names some classes of a data set, up to its @, and the name of that set; empty where all are meant.

    Args:
        spec: Such as `classes:apple,"pear, green"@npz:fruit.npz`.
    """
    found = _CLASSES.match(spec)
    return (found[0], spec[found.end() :]) if found else ("", spec)
