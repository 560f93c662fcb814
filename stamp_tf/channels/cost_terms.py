"""The terms that costs are sums of: products of numbers of kept channels, one for each weight and written tensor."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import flat_layers
from stamp_tf.channels.groups import KEPT, ChannelMap, WeightAxis
from stamp_tf.channels.leaf_calls import LeafCall, features_axis, num_numbers


class Rows:
    """Numbers rows of channels, equal ones alike; row 0 is the number 1."""

    def __init__(self) -> None:
        self.channels: list[np.ndarray] = []
        self._numbers: dict[bytes, int] = {}
        self.number(np.array([KEPT]))

    def number(self, channels: np.ndarray) -> int:
        """Return the number of a row of channels."""
        channels = np.asarray(channels, int)
        key = channels.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self.channels)
            self.channels.append(channels)
        return self._numbers[key]


class Terms:
    """One product per weight: coefficients (parameters, FLOPs, all weights) times numbers of kept slices."""

    def __init__(self) -> None:
        self.coefficients: list[tuple[float, float, float]] = []
        self._rows: list[list[int]] = []

    def add(
        self,
        layer: keras.Layer | None,
        axes_by_path: Mapping[str, list[WeightAxis]],
        *,
        rows: Rows,
        applications: Mapping[int, int],
        products: int,
    ) -> slice:
        """Add what a layer or operation costs, and return the place of its terms.

        Args:
            layer: With weights, or None.
            axes_by_path: The channels of each weight's axes.
            rows: Where rows of channels are numbered.
            applications: How often each weight is applied, by its `id`.
            products: Multiply-adds besides, which no mask changes.
        """
        trainable = {id(weight) for weight in _trained_by_nature(layer)}
        start = len(self.coefficients)
        if products:
            self.coefficients.append((0.0, float(products), 0.0))
            self._rows.append([])
        for weight in layer.weights if layer is not None else ():
            axes = axes_by_path.get(weight.path, [])
            sliced = {axis.axis for axis in axes}
            size = float(np.prod([n for i, n in enumerate(weight.shape) if i not in sliced]))
            uses = applications.get(id(weight), 0)
            self.coefficients.append((size * (id(weight) in trainable), size * uses, size))
            self._rows.append([rows.number(axis.channels) for axis in axes])
        return slice(start, len(self.coefficients))

    def factors(self) -> tuple[np.ndarray, ...]:
        """Return the rows of each term, one array per factor; row 0 where a term has fewer factors."""
        num_factors = max(2, max((len(rows) for rows in self._rows), default=0))
        padded = [rows + [0] * (num_factors - len(rows)) for rows in self._rows]
        return tuple(np.array(padded, int).reshape(-1, num_factors).T)


def written_tensors(
    found: list[LeafCall], channel_map: ChannelMap, rows: Rows
) -> tuple[dict[str, list[tuple[int, int]]], dict[str, str]]:
    """Return (row, positions) of every tensor that is written, and the kind of what writes it, by path."""
    traced: dict[str, deque[np.ndarray]] = defaultdict(deque)
    # The map may be that of the same network built before, in which Keras gave unnamed operations other names;
    # their order is the same.
    paths = dict.fromkeys(call.traced_path for call in found)
    names = dict.fromkeys(output.layer for output in channel_map.outputs)
    is_renamed = len(names) == len(paths) and names.keys() != paths.keys()
    path_of = dict(zip(names, paths, strict=True)) if is_renamed else {}
    for output in channel_map.outputs:
        traced[path_of.get(output.layer, output.layer)].append(output.channels)
    written: dict[str, list[tuple[int, int]]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for call in found:
        kinds[call.path] = type(call.layer).__name__
        for shape in call.output_shapes:
            axis = features_axis(call.layer, shape)
            size = (shape[axis] or 1) if len(shape) > 1 else 1
            channels = np.full(size, KEPT)
            if call.is_traced and traced[call.path]:
                seen = traced[call.path].popleft()
                # Where features come first, nothing can be removed.
                channels = seen if len(seen) == size and axis == len(shape) - 1 else channels
            written[call.path].append((rows.number(channels), num_numbers(shape) // size // call.batch))
    return written, kinds


def _trained_by_nature(layer: keras.Layer | None) -> Iterator[Any]:
    """Yield the weights that training changes, those of a frozen layer included: freezing makes none of them fewer."""
    for each in flat_layers(layer) if layer is not None else ():
        yield from each._trainable_variables
