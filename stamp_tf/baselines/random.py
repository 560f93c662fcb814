"""Random channels: the yardstick that every method has to beat."""

import numpy as np

from stamp_tf.baselines.allocation import allocate
from stamp_tf.errors import StampError
from stamp_tf.options.methods import RandomOptions
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.reference import Reference


class RandomChannels(Pruner):
    """Keep channels at random, in uniform widths or in the widths of another pruned network."""

    options = RandomOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        widths = RandomOptions(**config.options).widths
        for group in reference.channel_map.groups:
            width = group.size if widths is None else widths.get(group.name)
            if width is None or not 1 <= width <= group.size:
                raise StampError(
                    f"`options.widths` must give 1 to {group.size} channels for {group.name}, but gives {width}; "
                    "use the masks of a run of the same backbone and width."
                )

    def propose(self, problem: PruningProblem) -> Proposal:
        options, channel_map = RandomOptions(**problem.options), problem.reference.channel_map
        values = np.random.default_rng((problem.seed, 5)).uniform(size=channel_map.num_channels)
        if options.widths is None:
            return Proposal(scores=allocate(channel_map, values, allocation=options.allocation))
        mask = np.zeros(channel_map.num_channels, "float32")
        for group in channel_map.groups:
            mask[group.start + np.argsort(-values[group.slice])[: options.widths[group.name]]] = 1.0
        return Proposal(mask=mask)
