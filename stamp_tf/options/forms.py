"""How values are written that are no plain number, word or path."""

from __future__ import annotations

import re

from stamp_tf.errors import StampError
from stamp_tf.limits.fraction import number_or_percent
from stamp_tf.options.option import Form

# One image of this size takes 200 MB in float32.
_LONGEST_SIDE = 4096
_RANGE_RULE = "LOW:HIGH with 0 < LOW <= HIGH <= 1"


def check_budget_range(budgets: tuple[float, float]) -> None:
    """Refuse a range of FLOPs fractions that is none.

    Args:
        budgets: Smallest and largest fraction.

    Raises:
        StampError: Unless 0 < smallest <= largest <= 1.
    """
    if not _is_range(budgets):
        raise StampError(
            f"`budgets` must be {_RANGE_RULE}, but got {write_budget_range(budgets)}; 0.06:1 is usual."
        )


def write_budget_range(budgets: tuple[float, float]) -> str:
    """Return a range as it is typed, such as `0.06:1`."""
    low, high = budgets
    return f"{low:g}:{high:g}"


def _is_range(budgets: tuple[float, float]) -> bool:
    low, high = budgets
    return 0 < low <= high <= 1


def _read_budget_range(text: str) -> tuple[float, float]:
    try:
        low, high = (number_or_percent(part) or 0.0 for part in text.split(":"))
    except ValueError:
        low, high = 0.0, 0.0
    if not _is_range((low, high)):
        raise ValueError(f"{text!r} must be {_RANGE_RULE}, such as 0.06:1.")
    return low, high


def _read_image_size(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,9})(?:x([1-9][0-9]{0,9}))?", text)
    if match is None:
        raise ValueError(f"{text!r} must be a size in pixels, such as 32 or 48x64.")
    height, width = int(match[1]), int(match[2] or match[1])
    if max(height, width) > _LONGEST_SIDE:
        raise ValueError(f"{text!r} must be at most {_LONGEST_SIDE} pixels high and wide, such as 32 or 224.")
    return height, width, 3


def _write_image_size(shape: tuple[int, int, int]) -> str:
    height, width = shape[:2]
    return str(height) if height == width else f"{height}x{width}"


def _read_share(text: str) -> float:
    number = number_or_percent(text)
    if number is not None and 0 <= number < 1:
        return number
    raise ValueError(f"{text!r} must be a share of at least 0 and below 1, such as 1% or 0.01.")


def _read_part(text: str) -> float:
    number = number_or_percent(text)
    if number is not None and 0 <= number <= 1:
        return number
    raise ValueError(f"{text!r} must be a share of at least 0 and at most 1, such as 50% or 0.5.")


def _write_share(share: float) -> str:
    return f"{share:g}"


SHARE = Form("SHARE", _read_share, _write_share)
"""A share of something, such as `1%` or `0.01`."""

PART = Form("SHARE", _read_part, _write_share)
"""A share that may be the whole."""

BUDGET_RANGE = Form("LOW:HIGH", _read_budget_range, write_budget_range)
"""`LOW:HIGH`, two fractions of the FLOPs."""

IMAGE_SIZE = Form("N|HxW", _read_image_size, _write_image_size)
"""`N` or `HEIGHTxWIDTH`, as the shape of an RGB image."""
