"""How many single weights a budget leaves, and whether a mask of weights is within it."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras

from stamp_tf.channels import CostModel
from stamp_tf.channels.budget import Budget
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS
from stamp_tf.limits.parameters import Parameters
from stamp_tf.options.prune import PruneConfig
from stamp_tf.weight_mask import WeightMask, kernels_of

logger = logging.getLogger(__name__)

# Options that decide about channels, of which none goes.
_OF_CHANNELS = ("within", "structure_only", "refit", "round_to", "min_channels", "keep")
_ROUNDING = 1e-9

NO_LIMITS: dict[str, Any] = {kind.name: None for kind in KINDS}
"""What takes all limits off options."""


def check_options(config: PruneConfig) -> None:
    """Refuse options that a mask of single weights cannot follow.

    Args:
        config: Options of pruning.

    Raises:
        StampError: If a limit is on something else than parameters, or an option is about channels.
    """
    for kind in KINDS:
        if kind.name != Parameters.name and getattr(config, kind.name) is not None:
            raise StampError(
                f"`method={config.method}` removes single weights, by which nothing gets cheaper to compute, so that "
                f"{kind.argument} cannot be met; limit the parameters other than 0 with `{Parameters.name}=0.1`."
            )
    for name in _OF_CHANNELS:
        value = getattr(config, name)
        if value and value != getattr(PruneConfig, name):
            raise StampError(
                f"`method={config.method}` removes single weights, but `{name}` is about channels; leave it out."
            )


def weights_to_keep(model: keras.Model, cost: CostModel, budget: Budget) -> int:
    """Return how many weights of the kernels may stay so that the parameters other than 0 are within the limit.

    Args:
        model: The full network.
        cost: Its cost.
        budget: With a limit on parameters; without one half stay.

    Raises:
        StampError: If what is outside of kernels is more already.
    """
    limit = {kind.name: value for kind, value in budget.counted}.get(Parameters.name, 0.5)
    full, in_kernels = int(cost.full[0]), sum(math.prod(kernel.shape) for kernel in kernels_of(model))
    allowed = math.floor(limit * full + _ROUNDING)
    others = full - in_kernels
    if allowed <= others:
        enough = math.ceil(1e5 * others / full) / 1e5
        raise StampError(
            f"`{Parameters.name}` must leave a weight beside the {others:,} parameters that are in no kernel, such as "
            f"biases, but {limit:g} of {full:,} are {allowed:,}; raise it above {enough:g}."
        )
    return min(allowed - others, in_kernels)


def check_weights(weights: WeightMask, cost: CostModel, config: PruneConfig, *, budget: Budget) -> None:
    """Refuse a mask of weights above the limit, and warn where it cuts the network in two.

    Args:
        weights: The mask.
        cost: Of the full network.
        config: Options.
        budget: The limits.

    Raises:
        StampError: If more parameters stay.
    """
    left = (int(cost.full[0]) - weights.num_removed) / cost.full[0]
    limit = {kind.name: value for kind, value in budget.counted}.get(Parameters.name, 1.0)
    if left > limit + _ROUNDING:
        raise StampError(
            f"`method={config.method}` gave a mask of weights above the budget ({left:.5f} of the parameters); raise "
            f"`{Parameters.name}`."
        )
    if emptied := weights.emptied:
        logger.warning(
            "Nothing stays of %s, so that the network's outputs are the same for every image; keep more parameters.",
            ", ".join(emptied),
        )
