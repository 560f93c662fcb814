"""The range of budgets that a network is trained at."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.channels.cut import ChannelCut

logger = logging.getLogger(__name__)


def draw_limits(rng: np.random.Generator, budgets: tuple[float, float], num_draws: int) -> np.ndarray:
    """Return limits on (parameters, FLOPs), float32 `[num_draws, 2]`: none, and log-uniform in the range."""
    low, high = np.log(budgets)
    flops = np.exp(rng.uniform(low, high, num_draws))
    return np.stack([np.full(num_draws, np.inf), flops], axis=1).astype("float32")


def median_flops(budgets: tuple[float, float]) -> float:
    """Return the fraction that half of the draws stay below."""
    return math.sqrt(budgets[0] * budgets[1])


def check_reachable(cut: ChannelCut, budgets: tuple[float, float], *, training: ChannelCut) -> None:
    """Refuse a range of FLOPs fractions that a network cannot be trained at, before it is trained.

    The cut at the median budget is what scores are measured from at the end. Draws below the smallest network of
    training train that one, which is said.

    Args:
        cut: That at the end.
        budgets: Smallest and largest fraction.
        training: The cut of the steps, which may keep more channels.

    Raises:
        StampError: If the smallest network is above the median, or that of training above the largest draw.
    """
    low, high = budgets
    median, smallest, trained = median_flops(budgets), _smallest_flops(cut), _smallest_flops(training)
    if smallest > median or trained > high:
        enough = min(1.0, math.ceil(1e3 * max(smallest, trained)) / 1e3)
        raise StampError(
            f"`budgets` must be reachable, but the smallest network has {max(smallest, trained):.3f} of the FLOPs and "
            f"{low:g}:{high:g} has its middle at {median:.3f}; give at least {enough:g}:1, or choose a wider network."
        )
    if trained > low:
        logger.warning(
            "Warning: training makes no network below %.3f of the FLOPs; budgets from %g to there train that one.",
            trained,
            low,
        )


def _smallest_flops(cut: ChannelCut) -> float:
    """Return the FLOPs of the smallest network; which channels of a group stay may matter a little."""
    orders = (np.arange(cut.num_channels), -np.arange(cut.num_channels))
    return max(float(cut.cost_model.exact_fractions(cut.rank(order).mask(0))[1]) for order in orders)
