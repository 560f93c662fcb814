"""Count parameters, FLOPs and memory of a masked model exactly, from the number of kept slices."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from stamp_tf.channel_mask import ChannelMask, as_mask
from stamp_tf.channels.cost_terms import Rows, Terms, written_tensors
from stamp_tf.channels.count_work import work_of
from stamp_tf.channels.graph import leaf_layers
from stamp_tf.channels.groups import KEPT, ChannelMap, WeightAxis
from stamp_tf.channels.leaf_calls import leaf_calls
from stamp_tf.tensor import Tensor

BYTES_PER_NUMBER = 4
"""Of float32, in which networks are exported."""


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer's size.

    Args:
        name: The layer; `outer/inner` within a nested model.
        kind: Its class.
        channels: Its output channels.
        parameters: Numbers that training changes, frozen or not.
        flops: Multiply-adds for one image, over all its calls.
        activation_bytes: Bytes that it writes for one image, over all its calls.
        weight_bytes: Bytes of its weights.
    """

    name: str
    kind: str
    channels: int
    parameters: int
    flops: int
    activation_bytes: int
    weight_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """Where a layer's costs stand: the terms of its weights, and (row, positions) of the tensors it writes."""

    path: str
    kind: str
    terms: slice
    written: tuple[tuple[int, int], ...]


class CostModel:
    """Cost of a model as a function of its channel mask.

    A weight with kept slices n_i and n_j along its two channel axes costs `c * n_i * n_j`, and n is linear in
    the mask. So the whole network is one matrix product and one sum, for 0/1 masks and soft ones alike.

    Four costs are counted; `is_sized` says whether all sizes are known, without which FLOPs and activations say
    nothing:

    - Parameters: numbers that training changes, those of frozen layers included.
    - FLOPs: multiply-adds of convolutions and products of matrices for one image, over all calls, whether they have
      kernels or not. What works on single numbers, sums, normalises or pools has none. `uncounted` names what may
      compute more, and does so in a way that is not known.
    - Activation bytes: all tensors that layers and operations write for one image, in float32, over all calls.
      Every call counts in full, one that could work in place (ReLU) or does nothing (Dropout) as well; inputs do
      not count. It is what a framework holds that frees nothing, and linear in the mask.
    - Weight bytes: all weights in float32, batch-norm statistics included: what a file of weights holds.

    Args:
        model: The traced model.
        channel_map: Its channels.

    Raises:
        StampError: If the model is not functional.
    """

    def __init__(self, model: keras.Model, channel_map: ChannelMap) -> None:
        self.num_channels = channel_map.num_channels
        found = list(leaf_calls(model))
        self.is_sized = all(call.is_sized for call in found)
        applications: Counter[int] = Counter()
        products: Counter[str] = Counter()
        uncounted: dict[str, None] = {}
        for call in found:
            work = work_of(call)
            applications.update(work.kernels)
            products[call.path] += work.products
            if not work.is_whole:
                uncounted[call.path] = None
        axes_by_path: dict[str, list[WeightAxis]] = defaultdict(list)
        for axis in channel_map.weight_axes:
            axes_by_path[axis.path].append(axis)
        rows = Rows()
        layers: dict[int, tuple[str, keras.Layer]] = {}
        for path, layer in leaf_layers(model):
            layers.setdefault(id(layer), (path, layer))
        # A layer that several models hold goes by its first path, but works where it is called.
        of_layers = dict(layers.values())
        self._terms = Terms()
        spans = {
            path: self._terms.add(
                of_layers.get(path),
                axes_by_path,
                rows=rows,
                applications=applications,
                products=products[path],
            )
            for path in dict.fromkeys([*of_layers, *products])
        }
        # Rows behind these are of activations alone, which training does not look at.
        self._num_weight_rows = len(rows.channels)
        written, kinds = written_tensors(found, channel_map, rows)
        kinds |= {path: type(layer).__name__ for path, layer in layers.values()}
        # Operations of the graph that are no layers, from `x + y`, come last.
        self._layers = [
            _Layer(
                path=path,
                kind=kinds[path],
                terms=spans.get(path, slice(0, 0)),
                written=tuple(written.get(path, ())),
            )
            for path in dict.fromkeys([*spans, *written])
        ]
        self.uncounted = tuple(uncounted)
        self._rows = rows.channels
        full = self._exact(ChannelMask.all_of(self.num_channels))
        self.full = full[:2]
        self.full_activation_bytes = int(full[2])
        self.full_weight_bytes = int(full[3])

    @cached_property
    def _flat_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The channels of all rows, one row behind the other, and where each row starts."""
        sizes = [len(channels) for channels in self._rows]
        return np.concatenate(self._rows), np.cumsum([0, *sizes[:-1]])

    @cached_property
    def _matrix(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of weights as counts `[rows, C]` and constants `[rows]`."""
        rows = self._rows[: self._num_weight_rows]
        counts = [np.bincount(row[row != KEPT], minlength=self.num_channels).astype(float) for row in rows]
        return np.stack(counts), np.array([float((row == KEPT).sum()) for row in rows])

    @cached_property
    def _factors(self) -> tuple[np.ndarray, ...]:
        """For each term, the rows whose numbers of kept slices it multiplies, one array per factor."""
        return self._terms.factors()

    @cached_property
    def _coefficients(self) -> np.ndarray:
        """Of each term for parameters, FLOPs and all weights, `[3, terms]`."""
        return np.array(self._terms.coefficients, float).reshape(-1, 3).T

    def _kept_exactly(self, mask: ArrayLike | ChannelMask) -> np.ndarray:
        """Return the number of kept slices of every row; float64 holds these whole numbers exactly."""
        flat, starts = self._flat_rows
        return np.add.reduceat(as_mask(mask, self.num_channels).values_of(flat), starts)

    def _exact(self, mask: ArrayLike | ChannelMask) -> np.ndarray:
        """Return (parameters, FLOPs, activation bytes, weight bytes) of a 0/1 mask."""
        kept = self._kept_exactly(mask)
        parameters, flops, weights = self._coefficients @ np.prod(kept[np.stack(self._factors)], axis=0)
        numbers = sum(kept[row] * positions for layer in self._layers for row, positions in layer.written)
        return np.array([parameters, flops, BYTES_PER_NUMBER * numbers, BYTES_PER_NUMBER * weights])

    def parameters(self, mask: ArrayLike | ChannelMask) -> int:
        """Return the parameters that a 0/1 mask `[C]` leaves."""
        return int(self._exact(mask)[0])

    def flops(self, mask: ArrayLike | ChannelMask) -> int:
        """Return the multiply-adds per image that a 0/1 mask `[C]` leaves."""
        return int(self._exact(mask)[1])

    def activation_bytes(self, mask: ArrayLike | ChannelMask) -> int:
        """Return the bytes that the layers left by a 0/1 mask `[C]` write for one image."""
        return int(self._exact(mask)[2])

    def weight_bytes(self, mask: ArrayLike | ChannelMask) -> int:
        """Return the bytes of all weights that a 0/1 mask `[C]` leaves."""
        return int(self._exact(mask)[3])

    def exact_fractions(self, mask: ArrayLike | ChannelMask) -> np.ndarray:
        """Return (parameters, FLOPs) of a 0/1 mask as fractions of the full network, in float64."""
        return self._exact(mask)[:2] / self._scale

    @property
    def _scale(self) -> np.ndarray:
        # A network without kernels that are counted has nothing to divide by, nor anything to divide.
        return np.maximum(self.full, 1.0)

    def fractions(self, mask: Tensor) -> Tensor:
        """Return (parameters, FLOPs) of a mask as fractions of the full network, `[2]`, differentiably."""
        kept = self._kept(mask)
        costs = ops.cast(self._coefficients[:2] / self._scale[:, None], mask.dtype)
        for rows in self._factors:
            costs = costs * ops.take(kept, rows)
        return ops.sum(costs, axis=1)

    def prices(self, mask: Tensor) -> Tensor:
        """Return the gradient of `fractions` with respect to the mask, `[2, C]`."""
        kept = self._kept(mask)
        counts = ops.cast(self._matrix[0], mask.dtype)
        prices = 0.0
        for place, rows in enumerate(self._factors):
            costs = ops.cast(self._coefficients[:2] / self._scale[:, None], mask.dtype)
            for others in self._factors[:place] + self._factors[place + 1 :]:
                costs = costs * ops.take(kept, others)
            prices = prices + ops.matmul(costs, ops.take(counts, rows, axis=0))
        return prices

    def _kept(self, mask: Tensor) -> Tensor:
        counts, constants = self._matrix
        return ops.matmul(ops.cast(counts, mask.dtype), mask) + ops.cast(constants, mask.dtype)

    def table(self, mask: ArrayLike | ChannelMask, *, weightless: bool = False) -> list[LayerCost]:
        """Return the cost of every layer that holds weights, under a 0/1 mask.

        Args:
            mask: `[C]`.
            weightless: Also list what holds no weights; then the activations add up to those of the network.
        """
        kept = self._kept_exactly(mask)
        costs = self._coefficients * np.prod(kept[np.stack(self._factors)], axis=0)
        return [
            LayerCost(
                name=layer.path,
                kind=layer.kind,
                channels=int(kept[layer.written[0][0]]) if layer.written else 0,
                parameters=int(costs[0, layer.terms].sum()),
                flops=int(costs[1, layer.terms].sum()),
                activation_bytes=BYTES_PER_NUMBER
                * int(sum(kept[row] * positions for row, positions in layer.written)),
                weight_bytes=BYTES_PER_NUMBER * int(costs[2, layer.terms].sum()),
            )
            for layer in self._layers
            if layer.terms.start < layer.terms.stop or (weightless and layer.written)
        ]
