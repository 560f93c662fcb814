"""How far a share of right answers may be from what more images would show."""

from __future__ import annotations

import math

from stamp_tf.quantities import percent

_DEVIATIONS = 1.959964


def wilson_interval(share: float, images: int) -> tuple[float, float]:
    """Return where the share on any number of such images lies, with 95 % certainty.

    Args:
        share: Of right answers, in [0, 1].
        images: How many were asked about, 1 or more.

    Returns:
        Lower and upper end, in [0, 1].

    Source:
        Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    squared = _DEVIATIONS**2 / images
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(squared * share * (1 - share) + squared**2 / 4) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def with_interval(share: float, images: int) -> str:
    """Return an accuracy as people read it: '89.5 % of 153 images, 83.7 to 93.4'.

    Args:
        share: Of right answers, in [0, 1].
        images: How many were asked about, 1 or more.
    """
    low, high = (100 * end for end in wilson_interval(share, images))
    noun = "image" if images == 1 else "images"
    return f"{percent(share)} of {images:,} {noun}, {low:.1f} to {high:.1f}"
