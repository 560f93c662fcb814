"""Characters and traffic signs that are drawn here, so that a reference meets more than photographs of things."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.drawing import CLASSES, draw
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.errors import StampError

_USUAL = 300
_MOST_TEST = 20
_SHAPE = (32, 32, 3)
_FONTS = ("DejaVuSans*.ttf", "DejaVuSerif*.ttf", "STIXGeneral*.ttf", "cm[bst]*1*.ttf", "cmr10.ttf")


def rendered(argument: str, options: LoadOptions) -> DataSet:
    """Draw images of characters and traffic signs in colours, perspectives, light and sharpness by lot.

    The classes are the digits, the capital letters, and 8 forms of signs with each of 8 symbols. Images are drawn in
    the size that is asked for, the same ones for a seed; up to 20 test images of a class are others.

    Args:
        argument: How many training images of a class; empty for 300.
        options: Its shape and seed matter.

    Raises:
        StampError: If the argument is no such number, or fonts are missing.
    """
    number = _number_in(argument)
    fonts = _fonts()
    height, width, depth = options.image_shape or _SHAPE
    sets = []
    for part, count in enumerate((number, min(number, _MOST_TEST))):
        labels = np.repeat(np.arange(len(CLASSES), dtype="int32"), count)
        images = np.empty((len(labels), height, width, 3), "uint8")
        for place, label in enumerate(labels):
            rng = np.random.default_rng((options.seed, part, place))
            images[place] = draw(CLASSES[label], (height, width), fonts=fonts, rng=rng)
        sets.append(
            ImageSet(images if depth == 3 else _gray(images), labels, len(CLASSES), class_names=CLASSES)
        )
    return DataSet("rendered", *sets, flips=False)


def _number_in(argument: str) -> int:
    if not argument:
        return _USUAL
    if not (argument.isascii() and argument.isdigit() and 2 <= int(argument) <= 100_000):
        raise StampError(
            f"`dataset` rendered must be followed by how many training images of a class, from 2 to 100,000, but is "
            f"followed by '{argument}'; write rendered:{_USUAL}."
        )
    return int(argument)


def _fonts() -> tuple[Path, ...]:
    """Return the fonts that matplotlib brings along: the same ones everywhere."""
    try:
        import matplotlib
    except ImportError:
        raise StampError(
            "`dataset` rendered needs the fonts of matplotlib, which is missing; pip install 'stamp-tf[fonts]'."
        ) from None
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return tuple(sorted({path for pattern in _FONTS for path in folder.glob(pattern)}))


def _gray(images: np.ndarray) -> np.ndarray:
    return np.rint(images @ np.array([0.299, 0.587, 0.114])).astype("uint8")[..., None]
