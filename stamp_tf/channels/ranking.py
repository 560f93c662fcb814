"""Channels in the order in which they come in, as nested masks from the fewest to the most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.widths import WidthRules


@dataclass(frozen=True)
class Ranking:
    """Nested masks: the smallest widths first, then one step more each, by falling score.

    A step is one channel, or as many as `round_to` says. Every mask contains the one before, so that whatever
    grows with the channels grows from mask to mask, and bisection finds the last one that fits.

    Args:
        steps: At which step each channel comes in, `[C]`: 0 for the smallest widths, `num_steps + 1` for never.
        num_steps: Steps from the smallest widths to the largest.
    """

    steps: np.ndarray
    num_steps: int

    def mask(self, step: int) -> ChannelMask:
        """Return the hard mask `[C]` after some of the steps, 0 to `num_steps`."""
        return ChannelMask(self.steps <= step)

    def last(self, fits: Callable[[ChannelMask], bool], *, until: int | None = None) -> int | None:
        """Return the last step whose mask fits, or None where not even the smallest widths fit.

        Args:
            fits: Whether a mask fits; where one does not, no later one does. It is asked once for any mask.
            until: The last step to look at; None means all.
        """
        low, high = 0, self.num_steps if until is None else until
        if not fits(self.mask(0)):
            return None
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(self.mask(middle)) else (low, middle - 1)
        return low


def rank_channels(channel_map: ChannelMap, scores: np.ndarray, rules: WidthRules) -> Ranking:
    """Rank channels by score across all groups, under rules for the groups' widths.

    The best channels of each group, as many as its smallest width, come first. The others come in one by one, or
    in blocks: a block has the rank of its worst channel, for only with it a multiple is full.

    Args:
        channel_map: The traced channels.
        scores: Value per channel, `[C]`; higher comes first. Ties break by channel number.
        rules: What widths are allowed.

    Raises:
        StampError: If a pattern of the rules matches no layer.
    """
    num_channels, group_of = channel_map.num_channels, channel_map.group_of
    smallest, largest = rules.bounds(channel_map)
    rank = np.empty(num_channels, int)
    rank[np.argsort(-np.asarray(scores, "float64"), kind="stable")] = np.arange(num_channels)
    # Channels by group, the best of each group first; groups lie one behind the other.
    order = np.lexsort((rank, group_of))
    starts = np.array([group.start for group in channel_map.groups], int)
    place = np.empty(num_channels, int)
    place[order] = np.arange(num_channels) - starts[group_of[order]]
    incoming = np.flatnonzero((place >= smallest[group_of]) & (place < largest[group_of]))
    last_of_block = place[incoming] // rules.round_to * rules.round_to + rules.round_to - 1
    worst = rank[order[starts[group_of[incoming]] + last_of_block]]
    blocks, numbers = np.unique(worst, return_inverse=True)
    steps = np.where(place < smallest[group_of], 0, len(blocks) + 1)
    steps[incoming] = numbers + 1
    return Ranking(steps, len(blocks))
