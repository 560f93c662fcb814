"""An interpreter that walks a graph call by call, and reads zero in place of every removed channel."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import ChannelMap

PRODUCERS = ("Dense", "Conv2D", "SeparableConv2D", "Conv2DTranspose")
"""What makes channels anew."""

MIXING = (*PRODUCERS, "LayerNormalization", "Softmax", "Flip", "Roll")
"""What may read several channels at once."""

COPIES = 4
ROUNDING = 1e-11


def interpret(
    model: keras.Model, channel_map: ChannelMap, mask: np.ndarray, data: list[np.ndarray]
) -> list[np.ndarray]:
    """Return what a full network writes when removed channels are read as zeros.

    Of the map, only what the layers that make channels write is used. Each input is seen several times. Where a
    channel that is removed is made, and wherever it passes, another noise takes its place in each copy: what differs
    between copies stems from removed channels, whichever order or axis it has by then. Layers that mix channels read
    zero in its place.

    Args:
        model: The full network.
        channel_map: Its channels.
        mask: 0/1 per channel, `[C]`.
        data: One array per input, `[B, ...]`.

    Returns:
        One array per output.
    """
    walk = _Walk(channel_map, mask)
    copied = [np.concatenate([one] * COPIES) for one in data]
    outputs = walk.run(getattr(model, "_functional", model), copied)
    assert not any(walk.removed(one).any() for one in outputs), "Removed channels come out."
    return [np.split(one, COPIES)[0] for one in outputs]


class _Walk:
    def __init__(self, channel_map: ChannelMap, mask: np.ndarray) -> None:
        kept = np.append(np.asarray(mask) != 0, True)
        producers = {name for group in channel_map.groups for name in group.producers}
        # Every layer of the random graphs has a name of its own, nested or not.
        self.alive = {
            output.layer.rpartition("/")[2]: kept[output.channels]
            for output in channel_map.outputs
            if output.layer in producers
        }
        self.rng = np.random.default_rng(0)

    def run(self, graph: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Walk one graph."""
        values = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if not node.is_input:
                    outputs = self.call(node, [values[id(one)] for one in node.input_tensors])
                    values |= {id(one): value for one, value in zip(node.outputs, outputs, strict=True)}
        return [values[id(one)] for one in graph.outputs]

    def call(self, node: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Make one call."""
        operation = node.operation
        inner = getattr(operation, "_functional", operation)
        if hasattr(inner, "_nodes_by_depth"):
            return self.run(inner, inputs)
        kind = type(operation).__name__
        # A grouped convolution reads a whole group, which goes as one.
        mixes = kind in MIXING and getattr(operation, "groups", 1) == 1
        tensors = {
            id(one): ops.convert_to_tensor(
                np.where(self.removed(value), 0.0 if mixes else self.noise(value.shape), value)
            )
            for one, value in zip(node.input_tensors, inputs, strict=True)
        }
        args, kwargs = node.arguments.fill_in(tensors)
        outputs = [np.asarray(one) for one in keras.tree.flatten(operation(*args, **kwargs))]
        if kind in PRODUCERS and operation.name in self.alive:
            outputs = [np.where(self.alive[operation.name], outputs[0], self.noise(outputs[0].shape))]
        return outputs

    def noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """Draw numbers of both signs, so that nothing makes all copies alike."""
        signs = np.resize([1.0, -1.0], COPIES).reshape(COPIES, 1)
        size = self.rng.uniform(0.1, 1.5, (COPIES, int(np.prod(shape)) // COPIES))
        return (signs * size).reshape(shape)

    @staticmethod
    def removed(value: np.ndarray) -> np.ndarray:
        """Return for each feature whether the copies differ by more than rounding."""
        copies = value.reshape(COPIES, -1, value.shape[-1])
        # A root of a noise may be no number, which differs from all.
        return ~(np.ptp(copies, axis=0) <= ROUNDING * (1 + np.abs(copies[0]))).all(axis=0)
