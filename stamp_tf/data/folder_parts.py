"""The image files of a folder, part by part and class by class."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stamp_tf.data.class_names import canonical, check_class_names, some_names
from stamp_tf.data.image_files import SUFFIXES, image_files, sub_folders
from stamp_tf.data.layout import Layout
from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """Image files and their classes.

    Args:
        paths: n files.
        labels: int32 `[n]`.
        class_names: One name per class, in label order.
        keys: The number of each picture's content, uint64 `[n]`, or `[0]` where nobody asked.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    def take(self, indices: np.ndarray) -> Part:
        """Return the files at these positions.

        Args:
            indices: int `[k]`.
        """
        keys = self.keys[indices] if len(self.keys) else self.keys
        return Part(
            paths=tuple(self.paths[index] for index in indices),
            labels=self.labels[indices],
            class_names=self.class_names,
            keys=keys,
        )


def scan(layout: Layout, root: Path, where: str) -> dict[str, Part]:
    """List the files of the parts, class by class.

    Args:
        layout: Where the parts lie.
        root: The folder that the user named.
        where: What to call it in a message.

    Returns:
        The part `train`, and `test` if there is one.

    Raises:
        StampError: If there are no two classes, a class has no images, or the parts have different classes.
        OSError: If a folder may not be read.
    """
    train = _classes(layout.train)
    names = tuple(sorted(train))
    at = where if layout.train == root else f"{where}/{layout.train.name}"
    check_class_names(names, at)
    if not names:
        raise StampError(f"{at} must hold a sub-folder of images per class, but holds none; add them.")
    if len(names) == 1:
        raise StampError(
            f"{at} must hold a sub-folder for each of 2 or more classes, but holds only '{names[0]}'; "
            "add classes, or name the folder above or below."
        )
    if layout.test is None:
        return {"train": _listed(train, names, at)}
    test = _classes(layout.test)
    tested = tuple(sorted(test))
    if tested != names:
        differences = [
            f"only {part.name} has {some_names(set(own) - set(other))}"
            for part, own, other in ((layout.train, names, tested), (layout.test, tested, names))
            if set(own) - set(other)
        ]
        raise StampError(
            f"{where} must have the same classes in '{layout.train.name}' and '{layout.test.name}', but "
            f"{' and '.join(differences)}; add, rename or remove folders."
        )
    return {
        "train": _listed(train, names, at),
        "test": _listed(test, names, f"{where}/{layout.test.name}"),
    }


def validation_part(layout: Layout, root: Path, class_names: tuple[str, ...]) -> Part | None:
    """List the files of a part to judge epochs by; None where there is none of the same classes.

    Args:
        layout: Where the parts lie.
        root: The folder that the user named.
        class_names: Those of the other parts.

    Raises:
        OSError: If a folder may not be read.
    """
    if layout.validation is None:
        return None
    folders = _classes(layout.validation)
    if tuple(sorted(folders)) != class_names:
        return None
    paths = [image_files(folders[name]) for name in class_names]
    labels = np.repeat(np.arange(len(class_names), dtype=np.int32), [len(files) for files in paths])
    every = tuple(path for files in paths for path in files)
    return Part(paths=every, labels=labels, class_names=class_names) if every else None


def _classes(part: Path) -> dict[str, Path]:
    """Return the class folders by name; a name is the same whether accents are letters' parts or marks of their own."""
    folders: dict[str, Path] = {}
    for folder in sub_folders(part):
        name = canonical(folder)
        if name in folders:
            raise StampError(
                f"{part} must have different class folders, but two are called '{name}' in different spellings of "
                "the same letters; join them."
            )
        folders[name] = part / folder
    return folders


def _listed(folders: dict[str, Path], class_names: tuple[str, ...], where: str) -> Part:
    paths: list[Path] = []
    passed_over: list[Path] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        files = image_files(folders[class_name], passed_over=passed_over)
        if not files:
            raise StampError(
                f"{where} must hold images of every class, but '{class_name}' has none; add some "
                f"({', '.join(sorted(SUFFIXES))}) or remove the class."
            )
        paths.extend(files)
        labels.extend([label] * len(files))
    if passed_over:
        set_name = where.removeprefix("`dataset` ")
        logger.warning(
            "%s: %s of types that are not read are left out, such as %s; convert them.",
            set_name,
            "1 picture" if len(passed_over) == 1 else f"{len(passed_over):,} pictures",
            "/".join(passed_over[0].parts[-2:]),
        )
    return Part(paths=tuple(paths), labels=np.array(labels, np.int32), class_names=class_names)
