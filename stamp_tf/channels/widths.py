"""Rules for the widths that a cut may leave: at least so many, multiples, layers that keep all."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from stamp_registry import did_you_mean
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.errors import StampError


@dataclass(frozen=True)
class WidthRules:
    """Which widths a channel group may have, whatever the budget.

    A group's width is its number of channels; where a channel stands for several filters, as in a grouped
    convolution, it counts once. Widths are rounded down, so that a budget still holds, but a group keeps at least
    one multiple, or all of its channels if it has fewer.

    Args:
        min_channels: Channels that every group keeps, or all of them where it has fewer.
        round_to: Every width is a multiple of this.
        keep: Patterns as of file names (`*`, `?`, `[...]`; `*` goes past a `/`). A group keeps all its channels if
            one of the layers that produce them matches.

    Raises:
        StampError: If a number is below 1.
    """

    min_channels: int = 1
    round_to: int = 1
    keep: tuple[str, ...] | str = ()

    def __post_init__(self) -> None:
        patterns = (self.keep,) if isinstance(self.keep, str) else tuple(self.keep)
        object.__setattr__(self, "keep", patterns)
        if not self.min_channels >= 1:
            raise StampError(
                f"`min_channels` must be at least 1, but got {self.min_channels}; a layer needs one channel."
            )
        if not self.round_to >= 1:
            raise StampError(
                f"`round_to` must be at least 1, but got {self.round_to}; 8 makes every width a multiple of 8."
            )

    @property
    def options(self) -> str:
        """The rules that ask for something, as they would be typed; empty for none."""
        given = (
            f"`min_channels={self.min_channels}`" if self.min_channels > 1 else "",
            f"`round_to={self.round_to}`" if self.round_to > 1 else "",
            *(f"`keep={pattern!r}`" for pattern in self.keep),
        )
        return " ".join(filter(None, given))

    def kept_groups(self, channel_map: ChannelMap) -> np.ndarray:
        """Return whether each group keeps all its channels, `[number of groups]`.

        Args:
            channel_map: The traced channels.

        Raises:
            StampError: If a pattern matches no layer whose channels could be removed.
        """
        producers = [group.producers for group in channel_map.groups]
        names = list(dict.fromkeys(name for of_group in producers for name in of_group))
        for pattern in self.keep:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise StampError(
                    f"`keep` must name layers whose channels can be removed, but none matches {pattern!r}."
                    f"{did_you_mean(pattern, names)} stamp-tf inspect lists them."
                )
        return np.array(
            [any(fnmatchcase(name, one) for name in names for one in self.keep) for names in producers], bool
        )

    def bounds(self, channel_map: ChannelMap) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and the largest width of each group, `[number of groups]` each.

        Between them every multiple of `round_to` is allowed.

        Args:
            channel_map: The traced channels.

        Raises:
            StampError: If a pattern matches no layer whose channels could be removed.
        """
        sizes = np.array(channel_map.group_sizes, int)
        fewest = -(-self.min_channels // self.round_to) * self.round_to
        smallest = np.where(self.kept_groups(channel_map), sizes, np.minimum(fewest, sizes))
        return smallest, np.maximum(smallest, sizes // self.round_to * self.round_to)

    def allow(self, channel_map: ChannelMap, mask: ChannelMask) -> bool:
        """Return whether the widths that a mask `[C]` leaves follow the rules."""
        widths = np.array([np.count_nonzero(mask.kept[group.slice]) for group in channel_map.groups])
        smallest, largest = self.bounds(channel_map)
        is_multiple = (widths % self.round_to == 0) | (widths == smallest)
        return bool(((smallest <= widths) & (widths <= largest) & is_multiple).all())
