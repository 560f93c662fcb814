"""Channels by the scale of the batch normalisation that follows them."""

import keras
import numpy as np

from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.channels import ChannelMap
from stamp_tf.channels.graph import flat_layers
from stamp_tf.errors import StampError
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.reference import Reference


class BatchNormScale(Pruner):
    """Keep the channels of largest |gamma|.

    Where several batch normalisations follow a channel (tied layers, one behind a depthwise kernel), their |gamma|
    add up. A group in which any channel has none is ranked by the L1 norms of its filters.

    Source:
        Liu et al. 2017, Learning Efficient Convolutional Networks through Network Slimming (the criterion; its
        sparsity penalty in training is not part of it).
    """

    options = AllocationOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        _, num_norms = _scales(reference.model, reference.channel_map)
        if not num_norms.any():
            raise StampError(
                "`method=batch-norm` needs a batch normalisation with a scale behind a layer that can be pruned, "
                f"but {reference.model.name} has none; use `method=l1`."
            )

    def propose(self, problem: PruningProblem) -> Proposal:
        self.check(problem.reference, problem.config)
        options, channel_map = AllocationOptions(**problem.options), problem.reference.channel_map
        scales, num_norms = _scales(problem.model, channel_map)
        norms = l1_norms(problem.model, channel_map)
        for group in channel_map.groups:
            if not num_norms[group.slice].all():
                scales[group.slice] = norms[group.slice]
        return Proposal(scores=allocate(channel_map, scales, allocation=options.allocation))


def _scales(model: keras.Model, channel_map: ChannelMap) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of |gamma| of every channel and the number of its batch normalisations, `[C]` each."""
    gammas = {
        layer.gamma.path: np.abs(keras.ops.convert_to_numpy(layer.gamma))
        for layer in flat_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.scale
    }
    scales, num_norms = np.zeros(channel_map.num_channels), np.zeros(channel_map.num_channels, int)
    for axis in channel_map.weight_axes:
        if axis.path in gammas:
            removable = axis.channels >= 0
            np.add.at(scales, axis.channels[removable], gammas[axis.path][removable])
            np.add.at(num_norms, axis.channels[removable], 1)
    return scales, num_norms
