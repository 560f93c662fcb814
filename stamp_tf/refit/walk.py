"""Run networks of one structure side by side, from one place of their graph to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import inlined
from stamp_tf.channels.graph import call_of, functional_graph, run_call
from stamp_tf.channels.refusals import refusal_of
from stamp_tf.errors import StampError

Values = dict[int, Any]
"""What is known while a network runs: the value of a symbolic tensor, by its `id`."""


class Network:
    """The calls of a network in order, and when what they write is read.

    Args:
        model: A functional or sequential model.

    Attributes:
        calls: Each behind all that it reads, whole branches one after the other.
        readers: Places of the calls that read a tensor, by its `id`.
        outputs: The `id` of every tensor that leaves the network.
    """

    def __init__(self, model: keras.Model) -> None:
        self._graph = functional_graph(inlined(model))
        self.calls = _ordered(self._graph)
        self.outputs = {id(tensor) for tensor in self._graph.outputs}
        self.readers: dict[int, list[int]] = {}
        for place, call in enumerate(self.calls):
            for tensor in call.input_tensors:
                self.readers.setdefault(id(tensor), []).append(place)

    def start(self, inputs: Any) -> Values:
        """Return what is known before the first call.

        Args:
            inputs: A batch, nested as the network takes it.
        """
        values = keras.tree.flatten(inputs)
        return {
            id(tensor): ops.convert_to_tensor(value, tensor.dtype)
            for tensor, value in zip(self._graph.inputs, values, strict=True)
        }

    def places(self, operation: Any) -> list[int]:
        """Return where a layer or operation is called."""
        return [place for place, call in enumerate(self.calls) if call.operation is operation]

    def written(self, values: Values, begin: int, place: int) -> Any:
        """Return the first output of a later call.

        Args:
            values: What is known before the call at `begin`.
            begin: Place of a call.
            place: Of the later one.
        """
        return run_call(self.calls[place], self.run(values, begin, place))[0]

    def run(self, values: Values, begin: int, stop: int) -> Values:
        """Return what is known before a later call, less what no call from there on reads. No state of a layer moves.

        Args:
            values: What is known before the call at `begin`.
            begin: Place of the first call to be made.
            stop: Place of the first that is not.
        """
        values = dict(values)
        # A layer may be called as in training, with statistics or seeds that would move.
        with keras.StatelessScope():
            for place in range(begin, stop):
                call = self.calls[place]
                written = _run(call, values)
                values.update(
                    (id(tensor), value) for tensor, value in zip(call.outputs, written, strict=True)
                )
                for tensor in call.input_tensors:
                    if self.readers[id(tensor)][-1] == place:
                        values.pop(id(tensor), None)
        return {key: value for key, value in values.items() if self.readers.get(key, (-1,))[-1] >= stop}


class Walk:
    """Brings networks to one call after the other, on all inputs.

    What is known at the last place is kept where it fits into memory, so that all places together cost one pass.
    Where it does not, the way there begins at the last place that did: so memory does not grow with the inputs.

    Args:
        networks: Of one structure, such as the full one and the smaller.
        batches: Returns the inputs batch by batch, the same ones at every call.
        memory: Most bytes to keep between places.
    """

    def __init__(
        self, networks: tuple[Network, ...], batches: Callable[[], Iterable[Any]], *, memory: float
    ) -> None:
        self._networks, self._batches, self._memory = networks, batches, memory
        self._place = 0
        self._kept: list[tuple[Values, ...]] | None = None

    def to(self, place: int) -> Iterator[tuple[Values, ...]]:
        """Yield what every network knows before the call at a place, batch by batch.

        Args:
            place: Not before the last one. What calls before it compute must not change any more.
        """
        now: list[tuple[Values, ...]] = []
        size, fits = 0, True
        for known in self._known():
            values = tuple(
                network.run(before, self._place, place)
                for network, before in zip(self._networks, known, strict=True)
            )
            size += sum(_bytes_of(value) for one in values for value in one.values())
            fits = size <= self._memory
            if fits:
                now.append(values)
            else:
                now.clear()
            yield values
        if fits:
            self._place, self._kept = place, now

    def _known(self) -> Iterable[tuple[Values, ...]]:
        if self._kept is not None:
            return self._kept
        return (tuple(network.start(inputs) for network in self._networks) for inputs in self._batches())


def _run(call: Any, values: Values) -> list[Any]:
    """Return what a call writes; where it refuses what it reads, say so in one line."""
    layer = call.operation
    if type(layer) is keras.layers.Embedding:
        indices = ops.convert_to_numpy(values[id(call.input_tensors[0])])
        # Some backends take another row in place of one that is not there.
        outside = (indices < 0) | (indices >= layer.input_dim)
        if outside.any():
            raise StampError(
                f"Indices for {layer.name} (Embedding) must be from 0 to {layer.input_dim - 1}, but one is "
                f"{indices[outside][0]:g}; give inputs such as the network was trained on."
            )
    try:
        return run_call(call, values)
    except Exception as error:
        if isinstance(error, StampError) or (reason := refusal_of(error)) is None:
            raise
        raise StampError(
            f"A network must run on what it is refitted on, but {layer.name} ({type(layer).__name__}) gave "
            f"'{reason}'; give inputs such as it was trained on."
        ) from error


def _ordered(graph: Any) -> list[Any]:
    """Return calls from the inputs to the outputs, the branches of a sum one after the other."""
    found: dict[int, Any] = {}
    waiting = [(call_of(tensor), False) for tensor in reversed(graph.outputs)]
    while waiting:
        call, is_ready = waiting.pop()
        if call.is_input or id(call) in found:
            continue
        if is_ready:
            found[id(call)] = call
            continue
        waiting.append((call, True))
        waiting += [(call_of(tensor), False) for tensor in reversed(call.input_tensors)]
    return list(found.values())


def _bytes_of(value: Any) -> int:
    return int(np.prod(value.shape)) * (8 if "64" in keras.backend.standardize_dtype(value.dtype) else 4)
