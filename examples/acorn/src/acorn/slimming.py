"""Channels by the scale of their batch normalisation."""

import numpy as np

from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem


class Slimming(Pruner):
    """Keep the channels that their batch normalisation scales most, over all layers at once.

    Source:
        Liu et al. 2017, Learning Efficient Convolutional Networks through Network Slimming.
    """

    def propose(self, problem: PruningProblem) -> Proposal:
        channel_map = problem.reference.channel_map
        weights = {weight.path: np.asarray(weight) for weight in problem.model.trainable_variables}
        scores = np.zeros(channel_map.num_channels)
        for axis in channel_map.weight_axes:
            if axis.role == "follower" and axis.path.endswith("/gamma"):
                removable = axis.channels >= 0
                np.add.at(scores, axis.channels[removable], np.abs(weights[axis.path][removable]))
        return Proposal(scores=scores)
