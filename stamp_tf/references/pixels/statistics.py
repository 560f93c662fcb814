"""Which scale images had, whose mean and deviation somebody measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stamp_tf.references.pixels.stage import Line

# Scale -> what its mean 0 and its deviation 1 are, of pixels in [0, 1].
_SCALES = {
    "0:255": (0.0, 1 / 255),
    "0:1": (0.0, 1.0),
    "-1:1": (0.5, 0.5),
    "imagenet": ((0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3),
}
# Sets of images with less contrast than this are hardly trained on.
_LEAST_DEVIATION = 0.05
# Noise and contrast that were added in training make deviations larger, and moving ones start at 1.
_SLACK = 1.05


def scales_of_statistics(found: Sequence[Line]) -> tuple[str, ...]:
    """Return the scales that images may have had whose mean and deviation a network holds.

    Pixels in [0, 1] of mean m deviate from it by `sqrt(m * (1 - m))` at most, which is reached where all are black or
    white. A mean of 0.5 and a deviation of 0.4, say, may be those of any images in [0, 1], and those of bright ones
    in [-1, 1].

    Args:
        found: What the network makes of a pixel, one line a depth: it takes the mean off and divides by the deviation.

    Source:
        Bhatia and Davis 2000, A Better Bound on the Variance.
    """
    means, deviations = (np.array([getattr(line, name) for line in found]) for name in ("zero", "unit"))
    return tuple(
        name
        for name, (mean, deviation) in _SCALES.items()
        if _are_possible(means * deviation + mean, deviations * deviation)
    )


def _are_possible(means: np.ndarray, deviations: np.ndarray) -> bool:
    """Return whether pixels in [0, 1] may have such means and deviations."""
    largest = np.sqrt(np.clip(means * (1 - means), 0, None)) * _SLACK
    return bool(np.all((deviations >= _LEAST_DEVIATION) & (deviations <= largest)))
