"""Random channels: the yardstick that every method has to beat."""

import numpy as np

from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.errors import StampError
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningTask


class RandomChannels(Pruner):
    """Keep channels at random, in uniform widths or in the widths of another pruned network.

    Option `widths`: number of channels per group, by name, as another run's masks have them. Without it every
    layer keeps the same fraction.
    """

    option_names = ("widths",)

    def propose(self, task: PruningTask) -> Proposal:
        channel_map = task.reference.channel_map
        values = np.random.default_rng((task.seed, 5)).uniform(size=channel_map.num_channels)
        widths = task.options.get("widths")
        if widths is None:
            return Proposal(scores=uniform_scores(channel_map, values))
        mask = np.zeros(channel_map.num_channels, "float32")
        for group in channel_map.groups:
            width = widths.get(group.name)
            if width is None or not 1 <= width <= group.size:
                raise StampError(
                    f"--widths must give 1 to {group.size} channels for {group.name}, but gives {width}; use the "
                    "masks of a run of the same backbone and width."
                )
            mask[group.start + np.argsort(-values[group.slice])[:width]] = 1.0
        return Proposal(mask=mask)
