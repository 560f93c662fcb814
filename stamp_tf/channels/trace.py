"""Trace channels through a functional graph: who produces, passes on and consumes them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from stamp_tf.channels import rules
from stamp_tf.channels.groups import KEPT, ChannelGroup, ChannelMap, ChannelProbe, Role, WeightAxis
from stamp_tf.errors import StampError

_LOCKED = 0


def trace_channels(model: keras.Model) -> ChannelMap:
    """Find every channel that can be removed, and all weight slices that go with it.

    What no rule covers is kept whole and named in `kept_whole`; nothing is guessed.

    Args:
        model: A functional model with channels last.

    Returns:
        The model's channel map.

    Raises:
        StampError: If the model is not functional, or has two weights of one path.
    """
    if not hasattr(model, "_nodes_by_depth"):
        raise StampError(
            f"The backbone must be a functional Keras model, but got {type(model).__name__}; "
            "build it with keras.Input and keras.Model(inputs, outputs)."
        )
    paths = [weight.path for weight in model.weights]
    if len(set(paths)) != len(paths):
        raise StampError(
            "The backbone's weights must have distinct paths, but some occur twice; name its layers differently."
        )
    trace = Trace()
    for tensor in model.inputs:
        trace.ids[id(tensor)] = np.full(tensor.shape[-1] or 0, _LOCKED)
    for node in _nodes(model):
        rules.apply_rule(trace, node.operation, node)
    for tensor in model.outputs:
        trace.lock(trace.ids[id(tensor)])
    return trace.finish()


def _nodes(model: keras.Model) -> Iterator[Any]:
    """Yield the calls of the graph in topological order, inputs left out."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


@dataclass
class Trace:
    """What is known of the channels while the graph is walked.

    Channels are numbers that may turn out to be the same one (an addition ties its inputs): a union-find
    forest holds which. Number 0 stands for everything that cannot be removed.
    """

    parents: list[int] = field(default_factory=lambda: [_LOCKED])
    ids: dict[int, np.ndarray] = field(default_factory=dict)
    axes: dict[tuple[str, int], tuple[np.ndarray, Role, str]] = field(default_factory=dict)
    probes: dict[int, ChannelProbe] = field(default_factory=dict)
    seen: dict[int, ChannelProbe] = field(default_factory=dict)
    kept_whole: list[tuple[str, str]] = field(default_factory=list)
    inexact: list[tuple[str, str]] = field(default_factory=list)

    def new_channels(self, size: int) -> np.ndarray:
        """Return fresh channel numbers, `[size]`."""
        start = len(self.parents)
        self.parents.extend(range(start, start + size))
        return np.arange(start, start + size)

    def find(self, channel: int) -> int:
        """Return the number that stands for all channels tied to this one."""
        while self.parents[channel] != channel:
            self.parents[channel] = self.parents[self.parents[channel]]
            channel = self.parents[channel]
        return channel

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Make two rows of channels one, element by element."""
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            low, high = sorted((self.find(a), self.find(b)))
            self.parents[high] = low

    def lock(self, channels: np.ndarray) -> None:
        """Forbid the removal of these channels."""
        self.tie(channels, np.full(len(channels), _LOCKED))

    def carry(
        self, weight: keras.Variable, axis: int, channels: np.ndarray, *, role: Role, layer: str
    ) -> None:
        """Record that slices of a weight belong to channels; a layer called twice ties its channels."""
        key = (weight.path, axis % len(weight.shape))
        if key in self.axes:
            self.tie(self.axes[key][0], channels)
        else:
            self.axes[key] = (channels, role, layer)
        if role == "consumer":
            for channel in channels.tolist():
                if channel in self.seen:
                    self.probes.setdefault(channel, self.seen[channel])

    def put(self, node: Any, channels: np.ndarray) -> None:
        """Record the channels of a call's (single) output."""
        tensor = node.outputs[0]
        self.ids[id(tensor)] = channels
        layer = node.operation.name
        call = node.operation._inbound_nodes.index(node)
        if len(np.unique(channels)) == len(channels):
            for feature, channel in enumerate(channels.tolist()):
                self.seen[channel] = ChannelProbe(layer, call, feature)

    def finish(self) -> ChannelMap:
        """Number the channels by group and translate what was recorded."""
        roots = np.array([self.find(channel) for channel in range(len(self.parents))])
        makers: dict[int, list[str]] = {}
        for channels, role, layer in self.axes.values():
            if role == "producer":
                for root in dict.fromkeys(roots[channels].tolist()):
                    if root != _LOCKED and layer not in makers.setdefault(root, []):
                        makers[root].append(layer)
        # Channels of the same producers form a group: the coarsest cut that lets every layer keep one.
        by_producers: dict[tuple[str, ...], list[int]] = {}
        for root, names_of_root in makers.items():
            by_producers.setdefault(tuple(names_of_root), []).append(root)
        number = np.full(len(self.parents), KEPT)
        groups, start = [], 0
        for layers, members in by_producers.items():
            number[members] = np.arange(start, start + len(members))
            groups.append(ChannelGroup(layers[0], start, len(members), layers))
            start += len(members)
        names = [group.name for group in groups]
        groups = [
            group
            if names.count(group.name) == 1
            else ChannelGroup("+".join(group.producers), group.start, group.size, group.producers)
            for group in groups
        ]
        weight_axes = tuple(
            WeightAxis(path, axis, number[roots[channels]], role)
            for (path, axis), (channels, role, _) in self.axes.items()
        )
        probes: dict[int, ChannelProbe] = {}
        for channel, probe in self.probes.items():
            probes.setdefault(int(number[roots[channel]]), probe)
        return ChannelMap(
            tuple(groups),
            tuple(axis for axis in weight_axes if (axis.channels != KEPT).any()),
            tuple(probes[channel] for channel in range(start)),
            tuple(self.kept_whole),
            tuple(self.inexact),
        )
