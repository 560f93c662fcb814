"""How long a step takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long one step of one network takes.

    Args:
        model: Its name.
        kind: `inference` or `training`.
        batch_size: Images per step.
        seconds: Median over the rounds.
        spread: Interquartile range of the rounds, in seconds.
        num_rounds: Rounds that were timed, those of the warm-up left out.
    """

    model: str
    kind: str
    batch_size: int
    seconds: float
    spread: float
    num_rounds: int

    @classmethod
    def of_rounds(cls, model: str, kind: str, *, batch_size: int, seconds: Sequence[float]) -> "Timing":
        """Return the median and the interquartile range of some rounds.

        Args:
            model: Its name.
            kind: `inference` or `training`.
            batch_size: Images per step.
            seconds: What each round took.
        """
        lower, middle, upper = (float(value) for value in np.percentile(seconds, (25, 50, 75)))
        return cls(
            model=model,
            kind=kind,
            batch_size=batch_size,
            seconds=middle,
            spread=upper - lower,
            num_rounds=len(seconds),
        )
