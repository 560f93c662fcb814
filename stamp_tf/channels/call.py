"""What a rule sees of one call in the graph, and what it can say about its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from stamp_tf.channels.groups import Role
    from stamp_tf.channels.trace_state import Trace


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
        self.trace, self._node = trace, node
        self.path = path
        self.layer: Any = node.operation
        self._inputs: list[np.ndarray] = [
            _for_reading(trace.ids[id(tensor)]) for tensor in node.input_tensors
        ]
        self._sees_one = True
        self.touches_layer = False
        self._written: dict[int, np.ndarray] = {}
        self.written: np.ndarray | None = None

    @property
    def channels(self) -> np.ndarray:
        """Channels of the first input, `[size of its last axis]`."""
        return self._inputs[0]

    @property
    def inputs(self) -> list[np.ndarray]:
        """Channels of every input. Those of further inputs stay where a rule does not ask for them."""
        self._sees_one = False
        return self._inputs

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
        """Every argument of the call that is no tensor of the graph; a list of numbers is one argument."""
        return list(_constants([*self._node.arguments.args, *self._node.arguments.kwargs.values()]))

    def read(self, weight: keras.Variable, axis: int, channels: np.ndarray) -> None:
        """Say that a kernel takes channels in and mixes them: masks multiply it along this axis.

        Args:
            weight: The kernel.
            axis: Its axis over the channels that come in.
            channels: Channel of each slice.
        """
        self._carry(weight, axis, channels, role="consumer")

    def make(self, weight: keras.Variable, axis: int, bias: keras.Variable | None = None) -> np.ndarray:
        """Say that a kernel makes new channels, and return them; a second call of the layer makes the same ones.

        Args:
            weight: The kernel.
            axis: Its axis over the channels that go out.
            bias: A vector over them.
        """
        channels = self.trace.made_by(weight, axis)
        self._carry(weight, axis, channels, role="producer")
        if bias is not None:
            self._carry(bias, 0, channels, role="producer")
        return channels

    def follow(self, weight: keras.Variable, axis: int, channels: np.ndarray) -> None:
        """Say that slices of a weight treat each channel on its own, as a scale or a depthwise kernel does.

        Args:
            weight: The weight.
            axis: Its axis over the channels.
            channels: Channel of each slice.
        """
        self._carry(weight, axis, channels, role="follower")

    def _carry(self, weight: keras.Variable, axis: int, channels: np.ndarray, *, role: Role) -> None:
        self.touches_layer = True
        self.trace.carry(weight, axis, self.trace.checked(channels), role=role, layer=self.path)

    def count(self, option: str, channels: np.ndarray, *, index: int | tuple[int, ...] = ()) -> None:
        """Say that an option in the layer's configuration is the number of these channels.

        Args:
            option: Such as `filters` or `units`. Of a function of `keras.ops`, also an argument of its call.
            channels: What is counted.
            index: Which entry, where the option is a list; of a list of lists, a number for each level. A slice has
                its start at 0 and its stop at 1.
        """
        channels = self.trace.checked(channels)
        self.touches_layer = True
        index = (index,) if isinstance(index, int) else tuple(index)
        self.trace.count(self.layer, option, channels, index=index, layer=self.path)

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Say that channels go or stay together, element by element."""
        self.trace.tie(self.trace.checked(first), self.trace.checked(second))

    def part(self, channels: np.ndarray) -> None:
        """Say that these channels go a way of their own, so that one of them has to stay."""
        self.trace.parts.append(self.trace.checked(channels))

    def lock(self, channels: np.ndarray, reason: str) -> None:
        """Forbid the removal of channels, for a reason in words."""
        self.trace.lock(self.trace.checked(channels), self.path, reason)

    def write(self, channels: np.ndarray, *, output: int = 0) -> None:
        """Say which channels an output of the call carries along its last axis.

        Args:
            channels: Channel of each feature.
            output: Which output, where there are several.
        """
        tensor, channels = self._node.outputs[output], self.trace.checked(channels)
        if num_features(tensor) not in (None, len(channels)):
            raise ValueError(f"Its rule writes {len(channels)} channels for {num_features(tensor)} features.")
        self.written = channels
        self._written[output] = channels

    def settle(self) -> str | None:
        """Record what was written, once a rule is done; return in words what it left open."""
        if len(self._written) < len(self._node.outputs):
            return "its rule does not say what it writes"
        if self._sees_one:
            for channels in self._inputs[1:]:
                self.lock(channels, "its rule covers the first input alone")
        # In the order of the outputs, whatever that of the rule was.
        for number, tensor in enumerate(self._node.outputs):
            self.trace.put(self._node, tensor, self._written[number], layer=self.path)
        return None

    def keep_whole(self, reason: str, *, operations: Sequence[Any] | None = None) -> None:
        """Forbid the removal of everything that comes in or goes out, of slices of weights and in options.

        Args:
            reason: In words.
            operations: What computes within the call; None means its layer alone.
        """
        for channels in self._inputs:
            self.trace.lock(channels, self.path, reason)
        for tensor in self._node.outputs:
            channels = self.trace.new_channels(num_features(tensor) or 0)
            self.trace.lock(channels, self.path, reason)
            self.trace.put(self._node, tensor, channels, layer=self.path)
        for operation in (self.layer,) if operations is None else operations:
            self.trace.pin_options(operation, self.path, reason)
        weights = getattr(self.layer, "weights", ())
        for weight in weights:
            self.trace.pin(weight.path, self.path, reason)
        if any(weight.trainable for weight in weights):
            self.trace.note(self.path, reason)

    def ambiguous_path(self) -> str | None:
        """Return a path that one of the layer's weights shares with another weight of the model."""
        paths = (weight.path for weight in getattr(self.layer, "weights", ()))
        return next((path for path in paths if path in self.trace.ambiguous), None)


def _for_reading(channels: np.ndarray) -> np.ndarray:
    """Return a view that a rule cannot write to: others hold the same numbers."""
    view = channels.view()
    view.flags.writeable = False
    return view


def num_features(tensor: Any) -> int | None:
    """Return the size of a tensor's last axis; None where it is open or where there is but a batch.

    Args:
        tensor: Of the graph.
    """
    return tensor.shape[-1] if len(tensor.shape) > 1 else None


def _constants(nest: Any) -> Iterator[Any]:
    """Yield what holds no tensor of the graph, lists of numbers in one piece."""
    if isinstance(nest, keras.KerasTensor) or nest is None:
        return
    values = nest.values() if isinstance(nest, dict) else nest
    if isinstance(nest, dict | list | tuple) and any(
        isinstance(leaf, keras.KerasTensor) for leaf in keras.tree.flatten(nest)
    ):
        for value in values:
            yield from _constants(value)
    else:
        yield nest
