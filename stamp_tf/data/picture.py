"""From the bytes of a picture to its samples, upright and in full depth."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stamp_tf.data.image_files import open_regular
from stamp_tf.data.unreadable import UnreadableImage, reason

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, whatever a file is called. Pillow knows more, some of which start other programs."""

ORIENTATION, PHOTOMETRIC, SAMPLE_FORMAT = 0x0112, 262, 339
SIDEWAYS = frozenset({5, 6, 7, 8})


@contextmanager
def opened(content: Path | bytes) -> Iterator[Image.Image]:
    """Open a picture, whose samples are not read yet; whatever goes wrong inside is an `UnreadableImage`.

    Args:
        content: A file, or the bytes of one.

    Raises:
        UnreadableImage: If it is no picture, or a damaged one.
    """
    from PIL import Image

    try:
        with io.BytesIO(content) if isinstance(content, bytes) else open_regular(content) as file:
            with warnings.catch_warnings():
                # A picture too large to be trusted is an error of Pillow's; one only large is the user's business.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                picture = Image.open(file, formats=FORMATS)
            with picture:
                yield picture
    # Pillow's decoders raise whatever a damaged file makes of them: SyntaxError, struct.error, IndexError and
    # more.
    except Exception as error:
        raise UnreadableImage(reason(error)) from error


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Return height and width as a viewer shows it, from the header alone.

    Args:
        picture: As opened.
    """
    width, height = picture.size
    if picture.format == "PNG" and "exif" not in picture.info:
        # Pillow would decode all of it to look for an orientation behind the pixels.
        return height, width
    if picture.format == "TIFF":
        # Pillow turns these by itself, and tells the size of what it will have turned.
        return height, width
    return (width, height) if picture.getexif().get(ORIENTATION) in SIDEWAYS else (height, width)


def is_deep(picture: Image.Image) -> bool:
    """Tell whether a picture has more than 8 bits a sample.

    Args:
        picture: As opened.
    """
    return picture.mode[0] in "IF" or ";16" in _raw_mode(picture)


def deep_samples(picture: Image.Image) -> np.ndarray:
    """Read samples of more than 8 bits.

    Args:
        picture: As opened, one that `is_deep`.

    Returns:
        `[H, W, D]`, D in 1 to 4, upright, an even D ending in alpha: integers, or float64.

    Raises:
        UnreadableImage: If Pillow cannot tell what they mean.
    """
    from PIL import ImageOps

    _check_tags(picture)
    if picture.mode[0] in "IF":
        samples = np.asarray(ImageOps.exif_transpose(picture))
        if picture.mode == "I" and 2 not in _sample_formats(picture) and picture.format == "TIFF":
            samples = samples.view(np.uint32)
        return samples[..., None].astype(np.float64 if picture.mode == "F" else np.int64)
    mode = _raw_mode(picture)
    if mode == "LA;16B":
        # Four bytes a pixel, which Pillow would cut to two.
        parts = np.asarray(_read_as(picture, "RGBA"), np.int64)
        return parts[..., ::2] * 256 + parts[..., 1::2]
    if mode[:-1] not in ("RGB;16", "RGBA;16"):
        raise UnreadableImage(f"Pillow keeps only 8 of the 16 bits of its {picture.mode} values; save 8 bits")
    # Pillow keeps the upper byte of each sample. Read in the other order of bytes, it keeps the lower one.
    native = "L" if sys.byteorder == "little" else "B"
    order = native if mode[-1] == "N" else mode[-1]
    low = np.asarray(_read_as(picture, mode[:-1] + ("L" if order == "B" else "B")), np.int64)
    return np.asarray(_read_as(picture, mode), np.int64) * 256 + low


def shallow(picture: Image.Image) -> Image.Image:
    """Turn a picture of 8 bits upright, of mode L or RGB; what is transparent shows white.

    Args:
        picture: As opened, one that is not deep; it is turned itself. Of several frames it shows the first.
    """
    from PIL import ImageOps

    _check_tags(picture)
    ImageOps.exif_transpose(picture, in_place=True)
    return flattened(picture)


def flattened(picture: Image.Image) -> Image.Image:
    """Lay a picture over white and return it in mode L if it is grey, else RGB.

    Args:
        picture: Of any mode of 8 bits.

    Raises:
        UnreadableImage: If nothing but white would be left of its shapes.
    """
    from PIL import Image

    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(coloured)
        alpha = np.asarray(coloured.getchannel("A"))
        picture = white.convert("RGB")
        if alpha.min() < alpha.max() and picture.getextrema() == ((255, 255),) * 3:
            raise UnreadableImage(
                "it is white on a transparent ground, so it would be all white; lay it over a colour"
            )
    return picture if picture.mode in ("L", "RGB") else picture.convert("L" if picture.mode == "1" else "RGB")


def _check_tags(picture: Image.Image) -> None:
    """Refuse a TIFF whose numbers Pillow hands over in another sense than the file's."""
    tags = getattr(picture, "tag_v2", {})
    if 2 in _sample_formats(picture) and picture.mode[0] not in "IF":
        raise UnreadableImage("its 8-bit values are signed; bring them to 0..255")
    if tags.get(PHOTOMETRIC) == 0 and picture.mode[0] in "IF":
        raise UnreadableImage("its zero is white in more than 8 bits; turn it and save 8 bits")


def _sample_formats(picture: Image.Image) -> tuple[int, ...]:
    """Return what a TIFF says of its numbers: 1 is unsigned, 2 signed, 3 floating-point."""
    return tuple(getattr(picture, "tag_v2", {}).get(SAMPLE_FORMAT, ()))


def _raw_mode(picture: Image.Image) -> str:
    """Return how samples lie in the file, in Pillow's words."""
    tiles = getattr(picture, "tile", None)
    arguments = tiles[0].args if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _read_as(picture: Image.Image, raw_mode: str) -> Image.Image:
    """Read the samples anew as if they lay in the file in another way, upright."""
    from PIL import Image, ImageOps

    file = getattr(picture, "fp", None)
    assert file is not None
    position = file.tell()
    file.seek(0)
    again: Any = Image.open(io.BytesIO(file.read()), formats=FORMATS)
    file.seek(position)
    again.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in again.tile
    ]
    return ImageOps.exif_transpose(again)
