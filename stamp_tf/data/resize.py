"""Bring images to the height, width and depth that a backbone takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from PIL import Image


def fit_images(images: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Resize and convert a stack of images.

    Args:
        images: uint8 `[n, H, W, D]`, D = 1 or 3.
        image_shape: Wanted height, width and depth (1 or 3).

    Returns:
        uint8 `[n, *image_shape]`; the same array when nothing has to change.

    Raises:
        StampError: If the wanted shape is impossible.
    """
    check_image_shape(image_shape)
    if images.shape[1:] == image_shape:
        return images
    if images.shape[1:3] == image_shape[:2] and images.shape[3] == 1:
        return np.repeat(images, image_shape[2], axis=3)
    result = np.empty((len(images), *image_shape), np.uint8)
    for index, image in enumerate(images):
        result[index] = fit_picture(to_picture(image), image_shape)
    return result


def fit_picture(picture: Image.Image, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Resize and convert one Pillow image.

    Bilinear when it grows; when it shrinks, Pillow widens the filter to the area that a new pixel covers.

    Args:
        picture: Of any size, in a mode of 8 bits without transparency.
        image_shape: Wanted height, width and depth (1 or 3).

    Returns:
        uint8 of shape `image_shape`.
    """
    from PIL import Image

    height, width, depth = image_shape
    mode = "L" if depth == 1 else "RGB"
    # Pillow converts to the mode that a picture has by a copy.
    picture = picture if picture.mode == mode else picture.convert(mode)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8).reshape(image_shape)


def to_picture(image: np.ndarray) -> Image.Image:
    """Return a Pillow image.

    Args:
        image: uint8 `[H, W, D]`, D = 1 or 3.
    """
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


# One image of this size takes 200 MB in float32.
_LONGEST_SIDE = 4096


def check_image_shape(image_shape: tuple[int, int, int]) -> None:
    """Refuse a shape that no image can have.

    Raises:
        StampError: If it is not two positive numbers, of which one batch still fits in memory, and a depth of 1 or 3.
    """
    if len(image_shape) != 3 or min(image_shape) < 1 or image_shape[2] not in (1, 3):
        raise StampError(
            "image_shape must be a positive height and width and a depth of 1 or 3, but is "
            f"{tuple(image_shape)}; give for example (32, 32, 3)."
        )
    if max(image_shape) > _LONGEST_SIDE:
        raise StampError(
            f"image_shape must be at most {_LONGEST_SIDE} pixels high and wide, but is {tuple(image_shape)}; give for "
            "example (224, 224, 3)."
        )
