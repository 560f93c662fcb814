"""How long a step takes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long one step of one network takes.

    Args:
        model: Its name.
        kind: `inference` or `training`.
        batch_size: Images per step.
        seconds: Median over the rounds.
        spread: Interquartile range of the rounds, in seconds.
        num_rounds: Steps that were timed, those of the warm-up left out.
    """

    model: str
    kind: str
    batch_size: int
    seconds: float
    spread: float
    num_rounds: int
