"""Data sets in one .npz file of numpy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stamp_tf.data.class_names import canonical, check_class_names
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.duplicates import warn_of_shared_arrays
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.npz_file import read_arrays
from stamp_tf.data.split import with_test_split
from stamp_tf.errors import StampError

WANTED = ("x_train", "y_train", "x_test", "y_test", "class_names")


def npz(path: str, options: LoadOptions) -> DataSet:
    """Load a file with `x_train`, `y_train` and, if it has them, `x_test`, `y_test` and `class_names`.

    Images are uint8 `[n, H, W, D]` with D = 1 or 3, or `[n, H, W]`; labels are integers `[n]` or `[n, 1]`
    from 0. Without `class_names` the labels' numbers are the names, and every one from 0 to the largest must
    occur. Without test arrays, about a fifth is split off by content. Other arrays are not read. The file is never
    unpickled.

    Args:
        path: The file.
        options: Nothing in them matters here; the caller resizes.

    Returns:
        The data set in the file's own image shape.

    Raises:
        StampError: If the file is missing, is no .npz, or holds something else than described.
    """
    if not path:
        raise StampError("`dataset` npz must name a file, but names none; write npz:PATH.")
    where = f"`dataset` npz:{path}"
    arrays = read_arrays(_expanded(path, where), WANTED, where)
    missing = [key for key in ("x_train", "y_train") if key not in arrays]
    if ("x_test" in arrays) != ("y_test" in arrays):
        missing.append("y_test" if "x_test" in arrays else "x_test")
    if missing:
        raise StampError(
            f"{where} must hold x_train and y_train (and x_test with y_test), but {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; add the array under that name."
        )
    images = {part: _images(arrays[f"x_{part}"], f"{where}: x_{part}") for part in _parts(arrays)}
    labels = {
        part: _labels(arrays[f"y_{part}"], f"{where}: y_{part}", num_images=len(images[part]))
        for part in images
    }
    class_names = _class_names(arrays.get("class_names"), labels["train"], where)
    for part, values in labels.items():
        if values.min() < 0 or values.max() >= len(class_names):
            raise StampError(
                f"{where}: y_{part} must hold labels in [0, {len(class_names)}), but they span "
                f"[{values.min()}, {values.max()}]; number the classes from 0."
            )
    sets = {
        part: ImageSet(images[part], labels[part].astype(np.int32), len(class_names), class_names=class_names)
        for part in images
    }
    if "test" not in sets:
        return with_test_split(f"npz:{path}", sets["train"])
    dataset = DataSet(f"npz:{path}", sets["train"], sets["test"])
    warn_of_shared_arrays(dataset)
    return dataset


def _expanded(path: str, where: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise StampError(
            f"{where} must be a file, but {str(error).rstrip('.')}; write the whole path."
        ) from None


def _parts(arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    return ("train", "test") if "x_test" in arrays else ("train",)


def _images(images: np.ndarray, where: str) -> np.ndarray:
    """Return uint8 `[n, H, W, D]`."""
    if images.dtype != np.uint8:
        remedy = {
            "f": "(255 * x).round().astype('uint8') if values are in [0, 1]",
            "b": "255 * x.astype('uint8')",
        }.get(
            images.dtype.kind, "(x * (255 / white)).round().astype('uint8'), where white is the largest value"
        )
        raise StampError(
            f"{where} must be uint8 with values 0 to 255, but is {images.dtype}; convert with {remedy}."
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape or images.shape[3] not in (1, 3):
        raise StampError(
            f"{where} must have shape [n, H, W, D] with D = 1 or 3, or [n, H, W], but has "
            f"{list(images.shape)}; reshape or transpose it."
        )
    return images


def _labels(labels: np.ndarray, where: str, *, num_images: int) -> np.ndarray:
    """Return integers `[n]`."""
    if labels.dtype.kind not in "iu":
        raise StampError(
            f"{where} must hold integers, but is {labels.dtype}; number the classes from 0 and convert with "
            ".astype('int64')."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and len(labels) == num_images and (labels.astype(bool).sum(axis=1) > 1).any():
        raise StampError(
            f"{where} must have one label per image, but has rows of several labels, {list(labels.shape)}; "
            "leave such images out, because a network is pruned for classes that exclude each other."
        )
    if labels.shape != (num_images,):
        remedy = "give class numbers, not one-hot rows, such as labels.argmax(axis=1)"
        if labels.ndim == 1:
            remedy = "save images and labels of the same number"
        raise StampError(
            f"{where} must have shape [{num_images}], one label per image, but has {list(labels.shape)}; {remedy}."
        )
    return labels


def _class_names(names: np.ndarray | None, labels: np.ndarray, where: str) -> tuple[str, ...]:
    """Return the stored names, or the labels' numbers."""
    if names is not None:
        if names.ndim != 1 or names.dtype.kind not in "US" or len(names) < 2:
            raise StampError(
                f"{where}: class_names must be an array of 2 or more strings, but is {names.dtype} of shape "
                f"{list(names.shape)}; save it with numpy.array([...]) of str, or leave it out."
            )
        texts = tuple(
            # As in folders: a letter with an accent is one, however it was written.
            canonical(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))
            for name in names
        )
        check_class_names(texts, f"{where}: class_names")
        return texts
    present = np.unique(labels)
    if len(present) < 2 or present[0] != 0 or present[-1] != len(present) - 1:
        raise StampError(
            f"{where}: y_train must hold the labels 0 to n - 1 of n >= 2 classes, each at least once, but "
            f"holds {len(present)} different labels in [{present[0]}, {present[-1]}]; renumber them, or add "
            "class_names."
        )
    return tuple(str(label) for label in range(len(present)))
