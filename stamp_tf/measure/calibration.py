"""Whether a network is as often right as it says it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # masks are compared by what reports are made of, without loading NumPy
    import numpy as np

NUM_BINS = 15


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """The images of which a network is about equally sure.

    Args:
        low: They are surer than this, in [0, 1); 0 counts in as well.
        high: And as sure as this at most, in (0, 1].
        images: How many, 1 or more.
        confidence: Mean probability of the class that was answered, in [0, 1].
        accuracy: Share classified rightly, in [0, 1].
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How far the probabilities of a network are from its accuracy.

    Args:
        error: Expected calibration error: the mean over images of what accuracy and confidence of their bin differ by,
            in [0, 1].
        confidence: Mean probability of the class that was answered, in [0, 1].
        bins: Those of 15 equal widths that hold an image, the least sure first.

    Source:
        Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3.
    """

    error: float
    confidence: float
    bins: tuple[CalibrationBin, ...]

    @classmethod
    def of(cls, confidences: np.ndarray, is_right: np.ndarray) -> Calibration:
        """Return the figures of some images.

        Args:
            confidences: Probability of the class that was answered, `[n]` in [0, 1], n >= 1.
            is_right: Whether it is that of the image, bool `[n]`.
        """
        import numpy as np

        confidences = np.asarray(confidences, np.float64)
        place = (np.ceil(confidences * NUM_BINS).astype(int) - 1).clip(0, NUM_BINS - 1)
        bins = tuple(
            CalibrationBin(
                low=index / NUM_BINS,
                high=(index + 1) / NUM_BINS,
                images=int((place == index).sum()),
                confidence=float(confidences[place == index].mean()),
                accuracy=float(is_right[place == index].mean()),
            )
            for index in np.unique(place).tolist()
        )
        error = sum(one.images * abs(one.accuracy - one.confidence) for one in bins) / len(confidences)
        return cls(error=error, confidence=float(confidences.mean()), bins=bins)
