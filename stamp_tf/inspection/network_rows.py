"""A network as a list: what makes, brings together or holds back channels, with the rest gathered behind it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.graph import calls, functional_graph, graph_of, leaf_layers
from stamp_tf.channels.groups import KEPT, ChannelMap
from stamp_tf.channels.leaf_calls import features_axis
from stamp_tf.report.report import LayerRow

_OUTPUT = "it makes the model's output"


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """One layer or operation of a network, with those of no kernels behind it.

    Args:
        name: Its path, `outer/inner` within a nested model.
        kind: Its class; of an input its shape.
        then: Names of the layers gathered here: normalisations, activations, poolings.
        makes: Numbers of the groups whose channels its kernels make.
        reads: Numbers of the groups whose channels its kernels read.
        passes: Numbers of the groups that it treats channel by channel, or brings together.
        channels_before: Channels that it writes.
        channels_after: How many of them are kept.
        num_fixed: How many of them no mask can remove.
        params_before: Trainable parameters, gathered layers included.
        params_after: The same after pruning.
        flops_before: Multiply-adds per image.
        flops_after: The same after pruning.
        reason: Why channels of its own are kept whole; empty where none are.
    """

    name: str
    kind: str
    then: tuple[str, ...] = ()
    makes: tuple[int, ...] = ()
    reads: tuple[int, ...] = ()
    passes: tuple[int, ...] = ()
    channels_before: int = 0
    channels_after: int = 0
    num_fixed: int = 0
    params_before: int = 0
    params_after: int = 0
    flops_before: int = 0
    flops_after: int = 0
    reason: str = ""

    @property
    def groups(self) -> tuple[int, ...]:
        """Every group that it has to do with, rising."""
        return tuple(sorted({*self.makes, *self.reads, *self.passes}))


def network_rows(
    model: keras.Model, channel_map: ChannelMap, mask: ChannelMask, *, layers: Sequence[LayerRow]
) -> tuple[NetworkRow, ...]:
    """List a network in the order of its graph.

    Inputs, layers with kernels, what joins several tensors and what stands in the way of channels have rows of
    their own; the others are gathered in the row that they read from.

    Args:
        model: The full network, functional.
        channel_map: Its channels.
        mask: Which channels stay, `[C]`.
        layers: Cost of every layer with weights, before and after.

    Returns:
        The rows; their parameters and FLOPs add up to those of the layers.
    """
    return _Listing(model, channel_map, mask, layers=layers).rows()


class _Listing:
    """Rows while the graph is walked: who writes which tensor, and what is known of each layer."""

    def __init__(
        self, model: keras.Model, channel_map: ChannelMap, mask: ChannelMask, *, layers: Sequence[LayerRow]
    ) -> None:
        self.graph = functional_graph(model)
        self.mask = mask
        self.group_of = np.append(channel_map.group_of, KEPT)
        self.costs = {row.name: row for row in layers}
        self.written: dict[str, np.ndarray] = {}
        for output in channel_map.outputs:
            self.written.setdefault(output.layer, output.channels)
        # A layer that several models hold goes by its first path.
        first_paths: dict[int, str] = {}
        paths: dict[str, str] = {}
        for path, layer in leaf_layers(model):
            first_paths.setdefault(id(layer), path)
            for weight in layer.weights:
                paths.setdefault(weight.path, first_paths[id(layer)])
        self.kernels = {
            paths[weight.path]
            for weight in model.weights
            if weight.path.endswith("kernel") and weight.path in paths
        }
        self.roles: dict[tuple[str, str], set[int]] = defaultdict(set)
        for axis in channel_map.weight_axes:
            if axis.path in paths:
                self.roles[paths[axis.path], axis.role] |= self._groups(axis.channels)
        self.reasons: dict[str, str] = {}
        for kept in channel_map.kept_whole:
            self.reasons.setdefault(kept.layer, kept.reason)
            for producer in kept.producers:
                self.reasons.setdefault(producer, f"{kept.layer}: {kept.reason}")
        self.obstacles = {kept.layer for kept in channel_map.kept_whole}
        self.found: dict[str, NetworkRow] = {}
        self.gathered_in: dict[str, str] = {}
        self.row_of: dict[int, str] = {}

    def rows(self) -> tuple[NetworkRow, ...]:
        """Walk the graph and return its rows."""
        for tensor in self.graph.inputs:
            shape = " \N{MULTIPLICATION SIGN} ".join(
                "?" if size is None else str(size) for size in tensor.shape[1:]
            )
            depth = (tensor.shape[-1] or 0) if len(tensor.shape) > 1 else 0
            self.found[tensor.name] = NetworkRow(
                name=tensor.name, kind=shape, channels_before=depth, channels_after=depth
            )
            self.row_of[id(tensor)] = tensor.name
        self._walk(self.graph, prefix="")
        for tensor in self.graph.outputs:
            name = self.row_of[id(tensor)]
            if self.found[name].num_fixed and not self.found[name].reason:
                self.found[name] = replace(self.found[name], reason=_OUTPUT)
        return tuple(self.found.values())

    def _walk(self, graph: Any, *, prefix: str) -> None:
        for node in calls(graph):
            path = prefix + node.operation.name
            inner = graph_of(node.operation)
            if inner is None:
                name = self._add(path, node)
                for tensor in node.outputs:
                    self.row_of[id(tensor)] = name
                continue
            for outer, own in zip(node.input_tensors, inner.inputs, strict=True):
                self.row_of[id(own)] = self.row_of[id(outer)]
            self._walk(inner, prefix=f"{path}/")
            for outer, own in zip(node.outputs, inner.outputs, strict=True):
                self.row_of[id(outer)] = self.row_of[id(own)]

    def _add(self, path: str, node: Any) -> str:
        """Make or extend a row for one call, and return the name of the row."""
        if path in self.found:
            return path
        if path in self.gathered_in:
            return self.gathered_in[path]
        sources = [self.row_of[id(tensor)] for tensor in node.input_tensors]
        stands = path in self.kernels or path in self.obstacles or len(sources) > 1 or not sources
        cost = self.costs.get(
            path,
            LayerRow(
                name=path,
                kind="",
                channels_before=0,
                channels_after=0,
                params_before=0,
                params_after=0,
                flops_before=0,
                flops_after=0,
            ),
        )
        if not stands:
            host = self.found[sources[0]]
            self.found[host.name] = replace(
                host,
                then=(*host.then, path),
                params_before=host.params_before + cost.params_before,
                params_after=host.params_after + cost.params_after,
                flops_before=host.flops_before + cost.flops_before,
                flops_after=host.flops_after + cost.flops_after,
            )
            self.gathered_in[path] = host.name
            return host.name
        shape = node.outputs[0].shape
        axis = features_axis(node.operation, shape)
        channels = np.full(shape[axis] or 0, KEPT)
        if axis == len(shape) - 1:
            channels = self.written.get(path, channels)
        makes, reads = self.roles[path, "producer"], self.roles[path, "consumer"]
        num_fixed = int((channels == KEPT).sum())
        self.found[path] = NetworkRow(
            name=path,
            kind=type(node.operation).__name__,
            makes=tuple(sorted(makes)),
            reads=tuple(sorted(reads)),
            passes=tuple(sorted(self._groups(channels) - makes)),
            channels_before=len(channels),
            channels_after=int(self.mask.kept_features(channels).sum()),
            num_fixed=num_fixed,
            params_before=cost.params_before,
            params_after=cost.params_after,
            flops_before=cost.flops_before,
            flops_after=cost.flops_after,
            reason=self._reason(path) if num_fixed or path in self.obstacles else "",
        )
        return path

    def _reason(self, path: str) -> str:
        """Return why a layer, or a model that it lies in, is kept whole."""
        while path not in self.reasons and "/" in path:
            path = path.rpartition("/")[0]
        return self.reasons.get(path, "")

    def _groups(self, channels: np.ndarray) -> set[int]:
        return set(self.group_of[channels].tolist()) - {KEPT}
