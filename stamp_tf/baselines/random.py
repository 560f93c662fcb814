"""Random channels: the yardstick that every method has to beat."""

import numpy as np

from stamp_tf.baselines.allocation import OPTION, allocate
from stamp_tf.errors import StampError
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningTask


class RandomChannels(Pruner):
    """Keep channels at random, in uniform widths or in the widths of another pruned network.

    Options: `widths`, number of channels per group, by name, as another run's masks have them; without it,
    `allocation`, `uniform` (default), the same fraction of every layer, or `global`, one cut over all.
    """

    option_names = ("widths", OPTION)

    def propose(self, task: PruningTask) -> Proposal:
        channel_map = task.reference.channel_map
        values = np.random.default_rng((task.seed, 5)).uniform(size=channel_map.num_channels)
        widths = task.options.get("widths")
        if widths is None:
            return Proposal(scores=allocate(task, values))
        if OPTION in task.options:
            raise StampError(
                f"--widths fixes how many channels every layer keeps, but got --method-option {OPTION} besides; "
                "leave one of them out."
            )
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
