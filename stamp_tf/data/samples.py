"""What the numbers in a picture's file stand for: from samples of any depth to 8 bits.

A file of 8 bits says it all. One of 16 bits may hold a camera's 12, and floating-point numbers may run to 1 or to
255; no file says which. The largest sample of the whole set decides, so that no two images of it are scaled
differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stamp_tf.data.unreadable import UnreadableImage

# A filter that overshoots leaves floating-point numbers slightly outside their range.
OVERSHOOT = 1e-3
# Between 1 and this, floating-point numbers are neither of 0..1 nor plausibly of 0..255.
SMALLEST_BYTE_PEAK = 16.0


@dataclass(frozen=True)
class Peak:
    """The largest sample of pictures that have more than 8 bits.

    Args:
        integer: Of those with integers; None where there is none.
        floating: Of those with floating-point numbers; None where there is none.
    """

    integer: int | None = None
    floating: float | None = None


@dataclass(frozen=True)
class Ranges:
    """What white is in the pictures of a set that have more than 8 bits.

    Args:
        bits: Integers run from 0 to `2 ** bits - 1`.
        float_top: Floating-point numbers run from 0 to this, 1 or 255.
    """

    bits: int = 16
    float_top: float = 1.0

    @classmethod
    def of(cls, peaks: Sequence[Peak]) -> Ranges:
        """Choose the ranges of a set: 8, 10, 12, 14 or 16 bits, and 1 or 255, whichever its largest sample needs.

        Args:
            peaks: Of all pictures that have more than 8 bits.

        Raises:
            UnreadableImage: If floating-point numbers run neither to 1 nor to 255.
        """
        integer = max((peak.integer for peak in peaks if peak.integer is not None), default=None)
        floating = max((peak.floating for peak in peaks if peak.floating is not None), default=None)
        # An even number: cameras and scanners have 8, 10, 12, 14 or 16.
        bits = 16 if not integer else max(8, integer.bit_length() + integer.bit_length() % 2)
        if floating is None or floating <= 1 + OVERSHOOT:
            return cls(bits, 1.0)
        if SMALLEST_BYTE_PEAK <= floating <= 255 + 255 * OVERSHOOT:
            return cls(bits, 255.0)
        raise UnreadableImage(
            f"the set's floating-point values reach {floating:.6g}, which is the range of neither 0..1 nor 0..255"
        )


FULL_RANGE = Ranges()
"""What holds for a picture by itself."""


def peak_of(samples: np.ndarray) -> Peak:
    """Find the largest sample, alpha left out, and refuse what is in no known range.

    Args:
        samples: Integers or floating-point numbers `[H, W, D]`, D in 1 to 4; an even D ends in alpha.

    Raises:
        UnreadableImage: If a sample is not finite, is negative, or needs more than 16 bits.
    """
    colours = _colours(samples)
    low, high = colours.min(), colours.max()
    if colours.dtype.kind == "f":
        if not (np.isfinite(low) and np.isfinite(high)):
            raise UnreadableImage("it holds values that are not finite; replace them")
        if low < -OVERSHOOT * max(1.0, high):
            raise UnreadableImage(f"its values begin at {low:.6g}; bring them to 0..1, or to 8 bits")
        return Peak(floating=float(high))
    if low < 0:
        raise UnreadableImage(f"its values begin at {low}; bring them to 0..255 and save 8 bits")
    if high > 65535:
        raise UnreadableImage(
            f"its values reach {high}, more than 16 bits; bring them to 0..255 and save 8 bits"
        )
    return Peak(integer=int(high))


def to_eight_bits(samples: np.ndarray, ranges: Ranges) -> np.ndarray:
    """Scale samples so that the top of their range becomes 255.

    Args:
        samples: As `peak_of` accepts them.
        ranges: Of the set.

    Returns:
        uint8 of the same shape.

    Raises:
        UnreadableImage: If they are in no known range, above that of the set, or if a picture that is not black
            would become so.
    """
    peak = peak_of(samples)
    if peak.floating is not None:
        top = ranges.float_top
        above = peak.floating > top * (1 + OVERSHOOT)
    else:
        top = float(2**ranges.bits - 1)
        above = peak.integer is not None and peak.integer > top
    colours = _colours(samples)
    if above:
        raise UnreadableImage(f"its values reach {colours.max():.6g}, but white is {top:g} in its set")
    scaled = np.clip(np.rint(colours * (255 / top)), 0, 255).astype(np.uint8)
    if colours.max() > 0 and scaled.max() == 0:
        raise UnreadableImage(
            f"its values end at {colours.max():.6g} where white is {top:g}, so it would be all black"
        )
    if colours.shape[2] == samples.shape[2]:
        return scaled
    alpha = samples[..., -1:]
    alpha_top = top if alpha.max() <= top else 65535
    return np.concatenate([scaled, np.rint(alpha * (255 / alpha_top)).astype(np.uint8)], axis=2)


def _colours(samples: np.ndarray) -> np.ndarray:
    """Return the samples without alpha."""
    depth = samples.shape[2]
    return samples if depth % 2 else samples[..., : depth - 1]
