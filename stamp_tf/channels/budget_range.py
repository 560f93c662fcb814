"""The range of budgets that a network is trained at."""

import math

import numpy as np

from stamp_tf.errors import StampError


def check_budget_range(budgets: tuple[float, float]) -> None:
    """Refuse a range of FLOPs fractions that is none.

    Args:
        budgets: Smallest and largest fraction.

    Raises:
        StampError: Unless 0 < smallest <= largest <= 1.
    """
    low, high = budgets
    if not 0 < low <= high <= 1:
        raise StampError(
            f"--budgets must be LOW:HIGH with 0 < LOW <= HIGH <= 1, but got {low:g}:{high:g}; 0.06:1 is usual."
        )


def draw_limits(rng: np.random.Generator, budgets: tuple[float, float], num_draws: int) -> np.ndarray:
    """Return limits on (parameters, FLOPs), float32 `[num_draws, 2]`: none, and log-uniform in the range."""
    low, high = np.log(budgets)
    flops = np.exp(rng.uniform(low, high, num_draws))
    return np.stack([np.full(num_draws, np.inf), flops], axis=1).astype("float32")


def median_flops(budgets: tuple[float, float]) -> float:
    """Return the fraction that half of the draws stay below."""
    return math.sqrt(budgets[0] * budgets[1])
