"""Channels by the L1 norm of their filters."""

from typing import ClassVar

import keras
import numpy as np

from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.channels import ChannelMap
from stamp_tf.options.methods import AllocationOptions, PrunerOptions
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem


class L1Norm(Pruner):
    """Keep the filters of largest L1 norm.

    Where an addition ties several layers, their filters' norms add up; biases do not count.

    Source:
        Li et al. 2017, Pruning Filters for Efficient ConvNets.
    """

    options: ClassVar[type[PrunerOptions]] = AllocationOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        options, channel_map = AllocationOptions(**problem.options), problem.reference.channel_map
        norms = l1_norms(problem.model, channel_map)
        return Proposal(scores=allocate(channel_map, norms, allocation=options.allocation))


def l1_norms(model: keras.Model, channel_map: ChannelMap) -> np.ndarray:
    """Return the L1 norm of every channel's filters, `[C]`.

    Args:
        model: The network.
        channel_map: Its channels.
    """
    weights = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    return sum_over_filters(channel_map, weights, lambda filters: np.abs(filters).sum(axis=1))
