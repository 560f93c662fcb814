"""Data sets in folders of image files, one sub-folder per class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.decode import UnreadableImage, picture_size
from stamp_tf.data.options import LoadOptions
from stamp_tf.data.split import split_labels
from stamp_tf.data.streaming import Example, StreamedSet, refuse_or_warn
from stamp_tf.errors import StampError

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True, eq=False)
class _Part:
    """Image files, their labels and the classes' names."""

    paths: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]

    def take(self, indices: np.ndarray) -> _Part:
        return _Part(tuple(self.paths[index] for index in indices), self.labels[indices], self.class_names)


def folder(path: str, options: LoadOptions) -> DataSet:
    """Load `PATH/CLASS/*.png`, or `PATH/train/CLASS/*.png` with or without `PATH/test/CLASS/*.png`.

    Class names are the names of the sub-folders, in alphabetical order. Files of other types and hidden ones
    are not looked at; pictures may lie in folders below. All are brought to one size: `image_shape`, or their
    own if they agree.

    Args:
        path: The folder.
        options: How to load; the seed decides a missing test split.

    Returns:
        The data set; a part larger than `options.stream_above` bytes is streamed.

    Raises:
        StampError: If the folder is missing, empty, has one class only, a class without images, a picture
            that cannot be read (unless skipped), or sizes that differ when no `image_shape` is given.
    """
    if not path:
        raise StampError("--dataset folder must name a folder, but names none; write folder:PATH.")
    where = f"--dataset folder:{path}"
    root = Path(path).expanduser()
    if not root.is_dir():
        found = "a file" if root.exists() else "not there"
        raise StampError(f"{where} must be a folder, but is {found}; check the path.")
    try:
        parts = _parts(root, where, options)
    except OSError as error:
        raise StampError(
            f"{where} must be readable, but {error.filename} gave '{error.strerror}'; check the permissions."
        ) from None
    parts, image_shape = _checked(parts, root, where, options)
    loaded = {
        name: _loaded(part, root, where, image_shape=image_shape, options=options)
        for name, part in parts.items()
    }
    return DataSet(f"folder:{path}", loaded["train"], loaded["test"])


def _parts(root: Path, where: str, options: LoadOptions) -> dict[str, _Part]:
    """Find the files of both parts, splitting off a test set where none is."""
    if not (root / "train").is_dir():
        return _split(_scan(root, where, class_names=None), where, options)
    train = _scan(root / "train", f"{where}/train", class_names=None)
    if not (root / "test").is_dir():
        return _split(train, where, options)
    return {"train": train, "test": _scan(root / "test", f"{where}/test", class_names=train.class_names)}


def _split(every: _Part, where: str, options: LoadOptions) -> dict[str, _Part]:
    train, test = split_labels(
        where.removeprefix("--dataset "), every.labels, every.class_names, seed=options.seed
    )
    return {"train": every.take(train), "test": every.take(test)}


def _scan(root: Path, where: str, *, class_names: tuple[str, ...] | None) -> _Part:
    """List a part's files, class by class; a test part must not have classes of its own."""
    found = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if class_names is None:
        if not found:
            raise StampError(f"{where} must hold a sub-folder of images per class, but holds none; add them.")
        if len(found) == 1:
            raise StampError(
                f"{where} must hold a sub-folder for each of 2 or more classes, but holds only '{found[0]}'; "
                "add classes, or name the folder above or below."
            )
        class_names = tuple(found)
    unknown = sorted(set(found) - set(class_names))
    if unknown:
        raise StampError(
            f"{where} must hold classes of train only, but '{unknown[0]}' is none of them; rename or remove "
            "it."
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        files = _image_files(root / class_name) if class_name in found else []
        if not files:
            raise StampError(
                f"{where} must hold images of every class, but '{class_name}' has none; add some "
                f"({', '.join(sorted(SUFFIXES))}) or remove the class."
            )
        paths.extend(files)
        labels.extend([label] * len(files))
    return _Part(tuple(paths), np.array(labels, np.int32), class_names)


def _image_files(root: Path) -> list[Path]:
    files: list[Path] = []

    def refuse(error: OSError) -> None:
        raise error

    for folder_path, _, names in os.walk(root, onerror=refuse):
        files.extend(
            Path(folder_path, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        )
    return sorted(files)


def _checked(
    parts: dict[str, _Part], root: Path, where: str, options: LoadOptions
) -> tuple[dict[str, _Part], tuple[int, int, int]]:
    """Read every header: drop or refuse what is no image, and find the common size."""
    unreadable: list[tuple[str, UnreadableImage]] = []
    sizes: dict[tuple[int, int], Path] = {}
    checked = {}
    for name, part in parts.items():
        readable = []
        for index, path in enumerate(part.paths):
            try:
                sizes.setdefault(picture_size(path), path)
                readable.append(index)
            except UnreadableImage as error:
                unreadable.append((str(path.relative_to(root)), error))
        checked[name] = part.take(np.array(readable, np.int64))
    if unreadable:
        refuse_or_warn(where, unreadable, skip_corrupt=options.skip_corrupt)
    for part in checked.values():
        missing = np.bincount(part.labels, minlength=len(part.class_names)) == 0
        if missing.any():
            raise StampError(
                f"{where} must have a readable image in every class, but class "
                f"'{part.class_names[missing.argmax()]}' has none left after --skip-corrupt; mend its images."
            )
    if options.image_shape is not None:
        return checked, options.image_shape
    if len(sizes) > 1:
        (one, first), (two, second) = list(sizes.items())[:2]
        raise StampError(
            f"{where} must hold images of one size when no image_shape is given, but "
            f"{first.relative_to(root)} is {one[0]} x {one[1]} and {second.relative_to(root)} {two[0]} x "
            f"{two[1]}; give image_shape."
        )
    return checked, (*next(iter(sizes)), 3)


def _loaded(
    part: _Part, root: Path, where: str, *, image_shape: tuple[int, int, int], options: LoadOptions
) -> ImageSet | StreamedSet:
    """Decode a part now, or leave it to be streamed."""

    def examples(order_seed: Sequence[int] | None) -> list[Example]:
        num_images = len(part.paths)
        order = (
            range(num_images)
            if order_seed is None
            else np.random.default_rng(order_seed).permutation(num_images)
        )
        return [
            Example(part.paths[index], int(part.labels[index]), str(part.paths[index].relative_to(root)))
            for index in order
        ]

    stream = StreamedSet(
        where, examples, len(part.paths), image_shape, part.class_names, skip_corrupt=options.skip_corrupt
    )
    return stream if stream.num_bytes > options.stream_above else stream.in_memory()
