"""Channels by the L2 norm of their filters."""

import keras
import numpy as np

from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem


class L2Norm(Pruner):
    """Keep the filters of largest L2 norm.

    Where an addition ties several layers, their filters' norms add up; biases do not count.

    Source:
        He et al. 2018, Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks (the norm alone:
        filters go once and for good).
    """

    options = AllocationOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        weights = {weight.path: keras.ops.convert_to_numpy(weight) for weight in problem.model.weights}
        options, channel_map = AllocationOptions(**problem.options), problem.reference.channel_map
        norms = sum_over_filters(channel_map, weights, lambda filters: np.linalg.norm(filters, axis=1))
        return Proposal(scores=allocate(channel_map, norms, allocation=options.allocation))
