"""Channels by the L1 norm of their filters, in uniform widths."""

import numpy as np

from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningTask


class L1Norm(Pruner):
    """Keep the filters of largest L1 norm; every layer keeps the same fraction.

    Where an addition ties several layers, their filters' norms add up.

    Reference:
        Li et al. 2017, Pruning Filters for Efficient ConvNets.
    """

    def propose(self, task: PruningTask) -> Proposal:
        channel_map = task.reference.channel_map
        weights = {weight.path: np.asarray(weight) for weight in task.model.trainable_variables}
        norms = np.zeros(channel_map.num_channels)
        for axis in channel_map.weight_axes:
            weight = weights.get(axis.path)
            if axis.role != "producer" or weight is None or weight.ndim == 1:
                continue
            others = tuple(index for index in range(weight.ndim) if index != axis.axis)
            removable = axis.channels >= 0
            np.add.at(norms, axis.channels[removable], np.abs(weight).sum(axis=others)[removable])
        return Proposal(scores=uniform_scores(channel_map, norms))
