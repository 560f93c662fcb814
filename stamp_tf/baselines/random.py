"""Random channels: the yardstick that every method has to beat."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stamp_tf.baselines.allocation import OPTION, AllocatingPruner, allocate
from stamp_tf.errors import StampError
from stamp_tf.pruning.pruner import Proposal, PruningProblem


class RandomChannels(AllocatingPruner):
    """Keep channels at random, in uniform widths or in the widths of another pruned network.

    Options: `widths`, number of channels per group, by name, as another run's masks have them; without it,
    `allocation`, `uniform` (default), the same fraction of every layer, or `global`, one cut over all.
    """

    option_names = ("widths", OPTION)

    def check_options(self, options: Mapping[str, Any]) -> None:
        super().check_options(options)
        widths = options.get("widths")
        if widths is None:
            return
        if not isinstance(widths, Mapping) or not all(type(width) is int for width in widths.values()):
            raise StampError(
                f"`options.widths` must give a whole number for every layer, but got {widths!r}; "
                "name a run that prune wrote."
            )
        if OPTION in options:
            raise StampError(
                f"`options.widths` fixes how many channels every layer keeps, but got `options.{OPTION}` besides; "
                "leave one of them out."
            )

    def propose(self, problem: PruningProblem) -> Proposal:
        channel_map = problem.reference.channel_map
        values = np.random.default_rng((problem.seed, 5)).uniform(size=channel_map.num_channels)
        widths = problem.options.get("widths")
        if widths is None:
            return Proposal(scores=allocate(problem, values))
        mask = np.zeros(channel_map.num_channels, "float32")
        for group in channel_map.groups:
            width = widths.get(group.name)
            if width is None or not 1 <= width <= group.size:
                raise StampError(
                    f"`options.widths` must give 1 to {group.size} channels for {group.name}, but gives {width}; "
                    "use the masks of a run of the same backbone and width."
                )
            mask[group.start + np.argsort(-values[group.slice])[:width]] = 1.0
        return Proposal(mask=mask)
