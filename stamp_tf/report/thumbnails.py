"""Small pictures that lie in a page itself."""

from __future__ import annotations

import base64
import io
import re

import numpy as np

_SMALL, _LARGEST = 64, 128
"""Longest side up to which every pixel is kept, and that of larger pictures."""
_QUALITY = 85


def thumbnail(pixels: np.ndarray) -> str:
    """Return a picture as the address of an image in a page, which needs no file.

    Small ones are PNG, pixel by pixel; larger ones are shrunk, and JPEG, which takes a third of the bytes.

    Args:
        pixels: uint8 `[H, W, D]`; colours where D is 3, grey otherwise.
    """
    from PIL import Image

    is_colour = pixels.shape[-1] == 3
    picture = Image.fromarray(pixels if is_colour else pixels.mean(axis=-1).astype(np.uint8))
    form = "png"
    if max(picture.size) > _SMALL:
        picture.thumbnail((_LARGEST, _LARGEST))
        form = "jpeg"
    content = io.BytesIO()
    picture.save(content, form, optimize=True, quality=_QUALITY)
    return f"data:image/{form};base64,{base64.b64encode(content.getvalue()).decode()}"


def thumbnails_in(page: str) -> list[str]:
    """Return the addresses of the pictures that `thumbnail` made for a page, in the order in which it shows them.

    Args:
        page: Its HTML.
    """
    return re.findall(r'<img src="(data:image/(?:png|jpeg);base64,[\w+/=]+)"', page)
