"""What a rule sees of one call in the graph, and what it can say about its channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from stamp_tf.channels.record import Trace


class Call:
    """One call of a layer or operation while the graph is traced.

    Channels are rows of numbers: one for each feature of a tensor, or slice of a weight, along one axis. Features
    with the same number go or stay together. A rule reads `inputs` and tells with `read`, `make`, `follow` and
    `count` what belongs to which channel; it ends with `write`, or returns in words why it cannot tell.

    Args:
        trace: What is known so far.
        node: The call in Keras's graph.
        path: Path of the layer.

    Example:
        A layer that scales each channel by a weight `scale` of its own:

        >>> def scale_rule(call):
        ...     call.follow(call.layer.scale, 0, call.channels)
        ...     call.write(call.channels)
    """

    def __init__(self, trace: Trace, node: Any, path: str) -> None:
        self._trace, self._node = trace, node
        self.path = path
        self.layer: Any = node.operation
        self.inputs: list[np.ndarray] = [trace.ids[id(tensor)] for tensor in node.input_tensors]
        self.written: np.ndarray | None = None

    @property
    def channels(self) -> np.ndarray:
        """Channels of the first input, `[size of its last axis]`."""
        return self.inputs[0]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the first input, batch first."""
        return tuple(self._node.input_tensors[0].shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the first output, batch first."""
        return tuple(self._node.outputs[0].shape)

    @property
    def constants(self) -> list[Any]:
        """Every argument of the call that is no tensor of the graph, nests flattened."""
        arguments = keras.tree.flatten([list(self._node.arguments.args), self._node.arguments.kwargs])
        return [
            value for value in arguments if not isinstance(value, keras.KerasTensor) and value is not None
        ]

    def read(self, weight: keras.Variable, axis: int, channels: np.ndarray) -> None:
        """Say that a kernel takes channels in and mixes them: masks multiply it along this axis.

        Args:
            weight: The kernel.
            axis: Its axis over the channels that come in.
            channels: Channel of each slice.
        """
        self._trace.carry(weight, axis, channels, role="consumer", layer=self.path)

    def make(self, weight: keras.Variable, axis: int, bias: keras.Variable | None = None) -> np.ndarray:
        """Say that a kernel makes new channels, and return them; a second call of the layer makes the same ones.

        Args:
            weight: The kernel.
            axis: Its axis over the channels that go out.
            bias: A vector over them.
        """
        channels = self._trace.made_by(weight, axis)
        self._trace.carry(weight, axis, channels, role="producer", layer=self.path)
        if bias is not None:
            self._trace.carry(bias, 0, channels, role="producer", layer=self.path)
        return channels

    def follow(self, weight: keras.Variable, axis: int, channels: np.ndarray) -> None:
        """Say that slices of a weight treat each channel on its own, as a scale or a depthwise kernel does.

        Args:
            weight: The weight.
            axis: Its axis over the channels.
            channels: Channel of each slice.
        """
        self._trace.carry(weight, axis, channels, role="follower", layer=self.path)

    def count(self, option: str, channels: np.ndarray, *, index: int | None = None) -> None:
        """Say that an option in the layer's configuration is the number of these channels.

        Args:
            option: Such as `filters` or `units`.
            channels: What is counted.
            index: Which entry, where the option is a list.
        """
        self._trace.count(self.path, option, channels, index=index)

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Say that channels go or stay together, element by element."""
        self._trace.tie(first, second)

    def part(self, channels: np.ndarray) -> None:
        """Say that these channels go a way of their own, so that one of them has to stay."""
        self._trace.parts.append(channels)

    def lock(self, channels: np.ndarray, reason: str) -> None:
        """Forbid the removal of channels, for a reason in words."""
        self._trace.lock(channels, self.path, reason)

    def write(self, channels: np.ndarray, *, output: int = 0) -> None:
        """Say which channels an output of the call carries along its last axis.

        Args:
            channels: Channel of each feature.
            output: Which output, where there are several.
        """
        self.written = channels
        self._trace.put(self._node, self._node.outputs[output], channels, layer=self.path)

    @property
    def is_complete(self) -> bool:
        """Whether every output has its channels."""
        return all(id(tensor) in self._trace.ids for tensor in self._node.outputs)

    def keep_whole(self, reason: str, *, weights: Sequence[keras.Variable] | None = None) -> None:
        """Forbid the removal of everything that comes in or goes out, and of slices of the weights.

        Args:
            reason: In words.
            weights: Those of the layer; None means all it has.
        """
        for channels in self.inputs:
            self.lock(channels, reason)
        for tensor in self._node.outputs:
            size = tensor.shape[-1] if len(tensor.shape) > 1 else None
            channels = self._trace.new_channels(size or 0)
            self.lock(channels, reason)
            self._trace.put(self._node, tensor, channels, layer=self.path)
        weights = getattr(self.layer, "weights", ()) if weights is None else weights
        for weight in weights:
            self._trace.pin(weight.path, self.path, reason)
        if any(weight.trainable for weight in weights):
            self._trace.note(self.path, reason)

    def ambiguous_path(self) -> str | None:
        """Return a path that one of the layer's weights shares with another weight of the model."""
        paths = (weight.path for weight in getattr(self.layer, "weights", ()))
        return next((path for path in paths if path in self._trace.ambiguous), None)
