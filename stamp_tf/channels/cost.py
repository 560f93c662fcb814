"""Count parameters and FLOPs of a masked model exactly, from the number of kept slices."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels.groups import KEPT, ChannelMap

Tensor = Any


@dataclass(frozen=True)
class LayerCost:
    """One layer's size.

    Args:
        name: The layer.
        kind: Its class.
        channels: Its output channels.
        parameters: Trainable parameters.
        flops: Multiply-adds for one image.
    """

    name: str
    kind: str
    channels: int
    parameters: int
    flops: int


class CostModel:
    """Cost of a model as a function of its channel mask.

    A weight with kept slices n_i and n_j along its two channel axes costs `c * n_i * n_j`, and n is linear in
    the mask. So the whole network is one matrix product and one sum, for 0/1 masks and soft ones alike.

    Args:
        model: The traced model.
        channel_map: Its channels.
    """

    def __init__(self, model: keras.Model, channel_map: ChannelMap) -> None:
        self.num_channels = channel_map.num_channels
        rows: dict[bytes, int] = {}
        counts = [np.zeros(self.num_channels)]
        constants = [1.0]
        by_weight: dict[str, list[Any]] = {}
        for axis in channel_map.weight_axes:
            by_weight.setdefault(axis.path, []).append(axis)

        def row_of(channels: np.ndarray) -> int:
            key = channels.tobytes()
            if key not in rows:
                rows[key] = len(counts)
                counts.append(
                    np.bincount(channels[channels != KEPT], minlength=self.num_channels).astype(float)
                )
                constants.append(float((channels == KEPT).sum()))
            return rows[key]

        terms: list[tuple[int, int, float, float]] = []
        self._layers: list[tuple[str, str, int, slice]] = []
        applications = _applications(model)
        for layer in model.layers:
            trainable = {weight.path for weight in layer.trainable_weights}
            start, output_row = len(terms), 0
            for weight in layer.weights:
                axes = by_weight.get(weight.path, [])
                size = float(
                    np.prod([n for i, n in enumerate(weight.shape) if i not in {a.axis for a in axes}])
                )
                pair = [row_of(axis.channels) for axis in axes]
                first, second = [*pair, 0, 0][:2]
                terms.append(
                    (
                        first,
                        second,
                        size * (weight.path in trainable),
                        size * applications.get(weight.path, 0),
                    )
                )
                for axis, row in zip(axes, pair, strict=True):
                    if axis.axis == len(weight.shape) - 1 or axis.role == "producer":
                        output_row = row
            if layer.weights:
                if not output_row:
                    output_row = len(counts)
                    counts.append(np.zeros(self.num_channels))
                    constants.append(float(keras.tree.flatten(layer.output)[0].shape[-1] or 0))
                self._layers.append((layer.name, type(layer).__name__, output_row, slice(start, len(terms))))
        self._counts = np.stack(counts)
        self._constants = np.array(constants)
        self._first, self._second = (np.array([term[i] for term in terms]) for i in (0, 1))
        # Rows: parameters, FLOPs.
        self._coefficients = np.array([[term[2] for term in terms], [term[3] for term in terms]])
        self.full = self._exact(np.ones(self.num_channels))

    def _exact(self, mask: np.ndarray) -> np.ndarray:
        """Return (parameters, FLOPs) of a 0/1 mask; float64 holds these whole numbers exactly."""
        kept = self._counts @ np.asarray(mask, float) + self._constants
        return self._coefficients @ (kept[self._first] * kept[self._second])

    def parameters(self, mask: np.ndarray) -> int:
        """Return the trainable parameters that a 0/1 mask `[C]` leaves."""
        return int(self._exact(mask)[0])

    def flops(self, mask: np.ndarray) -> int:
        """Return the multiply-adds per image that a 0/1 mask `[C]` leaves."""
        return int(self._exact(mask)[1])

    def exact_fractions(self, mask: np.ndarray) -> np.ndarray:
        """Return (parameters, FLOPs) of a 0/1 mask as fractions of the full network, in float64."""
        return self._exact(mask) / self.full

    def fractions(self, mask: Tensor) -> Tensor:
        """Return (parameters, FLOPs) of a mask as fractions of the full network, `[2]`, differentiably."""
        kept = self._kept(mask)
        scaled = ops.cast(self._coefficients / self.full[:, None], mask.dtype)
        return ops.sum(scaled * ops.take(kept, self._first) * ops.take(kept, self._second), axis=1)

    def prices(self, mask: Tensor) -> Tensor:
        """Return the gradient of `fractions` with respect to the mask, `[2, C]`."""
        kept = self._kept(mask)
        scaled = ops.cast(self._coefficients / self.full[:, None], mask.dtype)
        by_first = scaled * ops.take(kept, self._second)
        by_second = scaled * ops.take(kept, self._first)
        counts = ops.cast(self._counts, mask.dtype)
        return ops.matmul(by_first, ops.take(counts, self._first, axis=0)) + ops.matmul(
            by_second, ops.take(counts, self._second, axis=0)
        )

    def _kept(self, mask: Tensor) -> Tensor:
        return ops.matmul(ops.cast(self._counts, mask.dtype), mask) + ops.cast(self._constants, mask.dtype)

    def table(self, mask: np.ndarray) -> list[LayerCost]:
        """Return the cost of every layer that holds weights, under a 0/1 mask."""
        kept = self._counts @ np.asarray(mask, float) + self._constants
        costs = self._coefficients * (kept[self._first] * kept[self._second])
        return [
            LayerCost(name, kind, int(kept[row]), int(costs[0, terms].sum()), int(costs[1, terms].sum()))
            for name, kind, row, terms in self._layers
        ]


def _applications(model: keras.Model) -> dict[str, int]:
    """Return how often each kernel is applied to one image, over all its calls in the graph."""
    applications: dict[str, int] = {}
    for node in (node for nodes in model._nodes_by_depth.values() for node in nodes):
        layer = node.operation
        inner = getattr(layer, "_functional", None) or layer  # What a Sequential model wraps.
        if hasattr(inner, "_nodes_by_depth"):
            of_call = _applications(inner)
        elif isinstance(layer, keras.layers.Dense) or "Conv" in type(layer).__name__:
            tensor = node.input_tensors[0] if "Transpose" in type(layer).__name__ else node.outputs[0]
            positions = int(np.prod([size for size in tensor.shape[1:-1] if size is not None]))
            of_call = {weight.path: positions for weight in layer.weights if len(weight.shape) > 1}
        else:
            continue
        for path, count in of_call.items():
            applications[path] = applications.get(path, 0) + count
    return applications
