"""The index map from channels to slices of weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from stamp_tf.channel_mask import ChannelMask, as_mask

KEPT = -1
"""Marks a slice of a weight that belongs to no removable channel."""

Role = Literal["producer", "follower", "consumer"]


@dataclass(frozen=True, kw_only=True)
class WeightAxis:
    """Which channel each slice of a weight along one axis belongs to.

    Args:
        path: The variable's Keras path.
        axis: The axis, counted from the front.
        channels: Channel of each slice, `[size of the axis]`, or `KEPT`.
        role: `producer` makes the channel, `follower` treats it on its own, `consumer` reads it.
    """

    path: str
    axis: int
    channels: np.ndarray
    role: Role

    def kept_slices(self, mask: ChannelMask) -> np.ndarray:
        """Return the indices along the axis that survive a mask `[C]`."""
        return np.flatnonzero(mask.kept_features(self.channels))


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels that are ranked together and of which at least one stays.

    Args:
        name: The layer that produces them (the first one, where an addition ties several).
        start: Number of the group's first channel.
        size: Number of channels C of the group.
        producers: All layers that produce them.
    """

    name: str
    start: int
    size: int
    producers: tuple[str, ...]

    @property
    def slice(self) -> slice:
        """The group's place in a vector over all channels."""
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class ChannelProbe:
    """Where a channel can be looked at: one feature of one tensor of the graph.

    Args:
        layer: Layer whose output carries the channel.
        node: Which call of that layer.
        feature: Index along the tensor's last axis.
    """

    layer: str
    node: int
    feature: int


@dataclass(frozen=True)
class KeptWhole:
    """What the tracer left alone, and why.

    Args:
        layer: Path of the layer that stands in the way.
        reason: What it does, in words.
        producers: Layers that keep their channels for its sake; it may be one of them.
    """

    layer: str
    reason: str
    producers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OutputAxis:
    """Which channel each feature of one tensor of the graph belongs to.

    Args:
        layer: Path of the layer or operation that writes it; `outer/inner` within a nested model.
        call: Which call of that layer.
        positions: Number of places (height x width) that hold the features; None sizes count as 1.
        channels: Channel of each feature, or `KEPT`.
    """

    layer: str
    call: int
    positions: int
    channels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class LayerOption:
    """An option in a layer's configuration that counts channels, such as `filters`; or an argument of its call.

    Args:
        layer: Path of the layer.
        name: The option.
        channels: Channel of each thing that it counts, or `KEPT`.
        index: Which entry, where the option is a list: one number for each level of lists in lists. A slice has its
            start at 0 and its stop at 1.
    """

    layer: str
    name: str
    channels: np.ndarray
    index: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChannelMap:
    """All removable channels of a model and every weight slice they own.

    Args:
        groups: Contiguous groups that together number the channels 0 .. num_channels - 1.
        weight_axes: One entry per axis of a weight that carries channels.
        probes: For each channel, the last place where it can be seen before a kernel reads it.
        kept_whole: What the tracer left alone.
        outputs: One entry per tensor that a layer or operation writes.
        options: What changes in the layers' configurations when channels go.
    """

    groups: tuple[ChannelGroup, ...]
    weight_axes: tuple[WeightAxis, ...]
    probes: tuple[ChannelProbe, ...]
    kept_whole: tuple[KeptWhole, ...]
    outputs: tuple[OutputAxis, ...]
    options: tuple[LayerOption, ...]

    @cached_property
    def num_channels(self) -> int:
        """Number of removable channels in all groups."""
        return sum(group.size for group in self.groups)

    @cached_property
    def group_sizes(self) -> tuple[int, ...]:
        """Number of channels per group."""
        return tuple(group.size for group in self.groups)

    @cached_property
    def group_of(self) -> np.ndarray:
        """Group number of each channel, `[num_channels]`."""
        return np.repeat(np.arange(len(self.groups)), self.group_sizes)

    def __str__(self) -> str:
        """Return the groups as a table, and what is kept whole with the reason."""
        width = max((len(group.name) for group in self.groups), default=0)
        lines = [f"{len(self.groups)} channel groups, {self.num_channels} channels"]
        for group in self.groups:
            others = [name for name in group.producers if name != group.name]
            tied = f"  tied: {_first(others)}" if len(group.producers) > 1 else ""
            lines.append(f"  {group.name:<{width}}  {group.size:>5}{tied}")
        if self.kept_whole:
            lines.append("kept whole")
        for kept in self.kept_whole:
            others = [name for name in kept.producers if name != kept.layer]
            also = f", so the channels of {_first(others)} stay" if others else ""
            lines.append(f"  {kept.layer}: {kept.reason}{also}")
        return "\n".join(lines)

    def kept(self, mask: ArrayLike | ChannelMask) -> dict[str, list[int]]:
        """Return the indices of the kept channels within each group.

        Args:
            mask: `[num_channels]`, 0 for those that go.

        Raises:
            StampError: If it has another shape, or a value is NaN or out of [0, 1].
        """
        return as_mask(mask, self.num_channels).kept_in(self.groups)

    def mask_of(self, kept: Mapping[str, Sequence[int]]) -> ChannelMask:
        """Return the hard mask `[num_channels]` of the kept indices within each group; undoes `kept`."""
        return ChannelMask.of_kept(kept, self.groups)


def _first(names: Sequence[str], limit: int = 4) -> str:
    """Join names, of many only the first few."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
