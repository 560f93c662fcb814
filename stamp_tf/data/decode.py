"""From an encoded picture to pixels."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.data.resize import fit_picture

if TYPE_CHECKING:
    from PIL import Image


class UnreadableImage(Exception):
    """A picture that cannot be decoded; the message says why in a few words."""


def decode(content: Path | bytes, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Read a picture, turn it upright, resize and convert it.

    Args:
        content: A file, or the bytes of one, in any format that Pillow knows.
        image_shape: Wanted height, width and depth (1 or 3).

    Returns:
        uint8 of shape `image_shape`.

    Raises:
        UnreadableImage: If it is no picture, or a damaged one.
    """
    from PIL import ImageOps

    try:
        with _opened(content) as picture:
            if picture.size != (image_shape[1], image_shape[0]) and picture.format == "JPEG":
                # A JPEG can be decoded at a fraction of its size: several times faster for large photographs.
                picture.draft(None, (2 * image_shape[1], 2 * image_shape[0]))
            return fit_picture(ImageOps.exif_transpose(picture), image_shape)
    # Pillow's decoders raise whatever a damaged file makes of them: SyntaxError, struct.error, IndexError and
    # more.
    except Exception as error:
        raise UnreadableImage(_reason(error)) from error


def picture_size(content: Path | bytes) -> tuple[int, int]:
    """Return height and width from a picture's header, without decoding it.

    Args:
        content: A file, or the bytes of one.

    Raises:
        UnreadableImage: If the header is no picture's.
    """
    try:
        with _opened(content) as picture:
            width, height = picture.size
            return height, width
    except Exception as error:
        raise UnreadableImage(_reason(error)) from error


def _opened(content: Path | bytes) -> Image.Image:
    from PIL import Image

    with warnings.catch_warnings():
        # A picture too large to be trusted is an error of Pillow's; one only large is the user's business.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content) if isinstance(content, bytes) else os.fspath(content))


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split("\n")[0] or type(error).__name__
