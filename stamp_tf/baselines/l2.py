"""Channels by the L2 norm of their filters."""

import keras
import numpy as np

from stamp_tf.baselines.allocation import AllocatingPruner, allocate
from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.pruning.pruner import Proposal, PruningProblem


class L2Norm(AllocatingPruner):
    """Keep the filters of largest L2 norm.

    Where an addition ties several layers, their filters' norms add up; biases do not count.

    Option `allocation`: `uniform` (default), the same fraction of every layer, or `global`, one cut over all.

    Source:
        He et al. 2018, Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks (the norm alone:
        filters go once and for good).
    """

    def propose(self, problem: PruningProblem) -> Proposal:
        weights = {weight.path: keras.ops.convert_to_numpy(weight) for weight in problem.model.weights}
        norms = sum_over_filters(
            problem.reference.channel_map, weights, lambda filters: np.linalg.norm(filters, axis=1)
        )
        return Proposal(scores=allocate(problem, norms))
