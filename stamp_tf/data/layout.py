"""How a folder of pictures is laid out: which of its folders are parts, and which are classes.

One table of names, in any case, alone or followed by `set`, `data`, `images` or `split` (`training_set`):

    train, training           images to learn from
    test, testing             images to be judged on
    val, valid, validation    images to be judged on if there is no test folder; else for `val_split` alone

A folder of such a name is a part if folders lie in it, and a class if images do. Without a part for testing, the
part for training is split by content. What fits neither reading is refused, and so are folders of other names that
hold the same folders each, so that no part is taken for a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from stamp_tf.data.image_files import holds_images, image_files, sub_folders
from stamp_tf.errors import StampError

KINDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
}
PART = re.compile(rf"({'|'.join(sorted(KINDS, key=len, reverse=True))})(?:[ ._-]?(?:set|data|images|split))?")


@dataclass(frozen=True)
class Layout:
    """Where the images of a data set lie.

    Args:
        train: Folder whose sub-folders are the classes to learn.
        test: Likewise those to be judged on; None where a test part has to be split off.
        validation: Folder of a third part, to judge epochs by.
    """

    train: Path
    test: Path | None = None
    validation: Path | None = None


def find_layout(root: Path, where: str) -> Layout:
    """Tell parts from classes.

    Args:
        root: The folder that the user named.
        where: What to call it in a message.

    Raises:
        StampError: If it can be read in two ways, or in none.
        OSError: If a folder may not be read.
    """
    names = sub_folders(root)
    kinds = {name: kind for name in names if (kind := part_kind(name))}
    parts = {name: kind for name, kind in kinds.items() if not holds_images(root / name)}
    flat = [name for name in kinds if name not in parts]
    if not parts:
        _check_classes(root, names, kinds=kinds, where=where)
        _check_alike(root, names, where)
        return Layout(root)
    for name in flat:
        raise StampError(
            f"{where} must hold class folders in every part, but '{name}' holds images itself beside the part "
            f"'{next(iter(parts))}'; sort them into a folder per class, or move them away."
        )
    others = [name for name in names if name not in parts and image_files(root / name)]
    if others:
        raise StampError(
            f"{where} must hold either parts or classes, but '{next(iter(parts))}' reads like a part and "
            f"'{others[0]}' holds images beside it; rename '{others[0]}' to test if it is one, move it away if not, or "
            f"rename '{next(iter(parts))}' if both are classes."
        )
    found: dict[str, str] = {}
    for name, kind in parts.items():
        if kind in found:
            raise StampError(
                f"{where} must hold one folder for each part, but '{found[kind]}' and '{name}' mean the same; rename "
                "or remove one."
            )
        found[kind] = name
    if "train" not in found:
        raise StampError(
            f"{where} must hold a part to learn from, but holds only {_quoted(parts)}; add a folder 'train', name the "
            "folder below, or rename those that are classes."
        )
    train = root / found["train"]
    _check_alike(train, sub_folders(train), f"{where}/{found['train']}")
    tested = found.get("test", found.get("val"))
    validation = found["val"] if {"test", "val"} <= set(found) else None
    return Layout(
        train,
        None if tested is None else root / tested,
        None if validation is None else root / validation,
    )


def part_kind(name: str) -> str | None:
    """Return which part a folder of this name would be: train, test or val; None for a class.

    Args:
        name: Of the folder.
    """
    match = PART.fullmatch(name.lower())
    return None if match is None else KINDS[match[1]]


def _check_classes(root: Path, names: tuple[str, ...], *, kinds: dict[str, str], where: str) -> None:
    """Refuse classes that are parts in disguise."""
    seen = {kind: name for name, kind in kinds.items()} if len(set(kinds.values())) > 1 else _hinted(names)
    if seen:
        raise StampError(
            f"{where} must hold a folder per class, but {_quoted(seen.values())} read like parts of a data set; name "
            "them train and test, with a folder per class and no other images in each, or rename them if they are "
            "classes."
        )
    for name in names:
        inner = {kind: inside for inside in sub_folders(root / name) if (kind := part_kind(inside))}
        if "train" in inner and len(inner) > 1:
            raise StampError(
                f"{where} must hold parts above classes, but '{name}' holds {_quoted(inner.values())}; move them to "
                f"{inner['train']}/{name} and so on, or name the folder '{name}' if it is the data set."
            )


def _check_alike(root: Path, names: tuple[str, ...], where: str) -> None:
    """Refuse folders that hold each the same classes, such as `trn` and `tst`, or the classes beside them once more."""
    holding: dict[str, set[str]] = {}
    for name in names:
        # Years and numbers are how pictures of a class are sorted, and no names of classes.
        inner = {each for each in sub_folders(root / name) if re.search(r"[^\W\d_]", each)}
        again = sorted(inner & set(names) - {name})
        if len(again) > 1:
            raise StampError(
                f"{where} must hold a folder per class, but '{name}' holds {_quoted(again[:2])} again; move its images "
                "into theirs, or move it away."
            )
        if len(inner) > 1 and not holds_images(root / name):
            holding[name] = inner
    for first, second in combinations(holding, 2):
        both = sorted(holding[first] & holding[second])
        if len(both) > 1:
            raise StampError(
                f"{where} must hold a folder per class, but '{first}' and '{second}' both hold {_quoted(both[:2])}, as "
                "parts of a data set do; name them train and test if they are parts, or name one of them alone; if "
                "they are classes, put the images of each right into its folder."
            )


def _hinted(names: tuple[str, ...]) -> dict[str, str]:
    """Find names that differ by the word for a part alone, such as `seg_train` and `seg_test`."""
    families: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        words = re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
        kind = next((KINDS[word] for word in words if word in KINDS), None)
        if kind:
            families.setdefault(tuple(word for word in words if word not in KINDS), {})[kind] = name
    return next((family for family in families.values() if len(family) > 1), {})


def _quoted(names: Iterable[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
