"""From an encoded picture to pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stamp_tf.data.picture import deep_samples, flattened, is_deep, opened, shallow
from stamp_tf.data.resize import fit_picture
from stamp_tf.data.samples import FULL_RANGE, Ranges, to_eight_bits


def decode(
    content: Path | bytes, image_shape: tuple[int, int, int], *, ranges: Ranges = FULL_RANGE
) -> np.ndarray:
    """Read a picture, turn it upright, resize and convert it.

    Args:
        content: A file, or the bytes of one: BMP, GIF, JPEG, PNG, PPM, TIFF or WebP. Of several frames the first
            is taken, and what is transparent shows white.
        image_shape: Wanted height, width and depth (1 or 3).
        ranges: What white is where samples have more than 8 bits.

    Returns:
        uint8 of shape `image_shape`.

    Raises:
        UnreadableImage: If it is no picture, a damaged one, or has values in no known range.
    """
    from PIL import Image

    with opened(content) as picture:
        if is_deep(picture):
            pixels = to_eight_bits(deep_samples(picture), ranges)
            return fit_picture(
                flattened(Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)), image_shape
            )
        # A JPEG could be decoded at a fraction of its size, faster, but to pixels that nobody who calls the exported
        # network with the whole picture would have.
        return fit_picture(shallow(picture), image_shape)
