"""What tells one image from another whatever it is called: a number made from its content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.data.image_files import open_regular
from stamp_tf.data.picture import deep_samples, is_deep, opened, shallow

if TYPE_CHECKING:
    from PIL import Image

LOSSY = frozenset({"JPEG", "MPO", "WEBP"})
"""Formats whose pixels depend on the decoder; the bytes of the file are their content."""


def content_keys(images: np.ndarray) -> np.ndarray:
    """Return a number for each image, the same for the same pixels wherever they come from.

    Args:
        images: uint8 `[n, H, W, D]`, D = 1 or 3, in their own size. Grey counts as colour of three equal depths.

    Returns:
        uint64 `[n]`, as good as uniform.
    """
    return np.fromiter((_key_of_pixels(image) for image in images), np.uint64, len(images))


def picture_key(picture: Image.Image, content: Path | bytes) -> int:
    """Return the number of an encoded picture: of its pixels, or of the file's bytes for JPEG and WebP.

    Args:
        picture: As opened.
        content: Where it was opened from.

    Raises:
        UnreadableImage: If its samples cannot be read.
    """
    if picture.format in LOSSY:
        return _key(content if isinstance(content, bytes) else _bytes_of(content))
    if is_deep(picture):
        return deep_key(deep_samples(picture))
    pixels = np.asarray(shallow(picture))
    return _key_of_pixels(pixels if pixels.ndim == 3 else pixels[..., None])


def deep_key(samples: np.ndarray) -> int:
    """Return the number of a picture of more than 8 bits, whatever its set makes of them.

    Args:
        samples: `[H, W, D]`.
    """
    return _key(repr((samples.shape, samples.dtype.str)).encode(), samples.tobytes())


def encoded_key(content: Path | bytes) -> int:
    """Return the number of an encoded picture.

    Args:
        content: A file, or the bytes of one.

    Raises:
        UnreadableImage: If it is no picture, or a damaged one.
    """
    with opened(content) as picture:
        return picture_key(picture, content)


def _bytes_of(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _key_of_pixels(image: np.ndarray) -> int:
    coloured = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
    return _key(repr(coloured.shape).encode(), coloured.tobytes())


def _key(*parts: bytes) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")
