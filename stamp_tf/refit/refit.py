"""Refit the kernels of a smaller network in closed form, so that its layers write what those of the full one do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelMap
from stamp_tf.refit.linear_forms import as_array, drawn_places, values_at
from stamp_tf.refit.normal_equations import NormalEquations
from stamp_tf.refit.readers import Reader, find_readers
from stamp_tf.refit.statistics import settle_statistics
from stamp_tf.refit.walk import Network, Values, Walk

logger = logging.getLogger(__name__)

Batches = Callable[[], Iterable[Any]]
_LEAST_SCALE = 1e-2


@dataclass(frozen=True)
class Refitted:
    """What a refit did to one layer.

    Args:
        layer: Its name.
        before: What was missing of its output, as a fraction of the squares of what the full network's varies by.
        after: The same behind the refit, on the inputs that it was made on.
    """

    layer: str
    before: float
    after: float


def refit(
    full: keras.Model,
    small: keras.Model,
    channel_map: ChannelMap,
    *,
    mask: ChannelMask,
    batches: Batches,
    ridge: float = 1e-2,
    places: int = 32,
    seed: int = 0,
    memory: float = 1e9,
    settles: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Refitted, ...]:
    """Give a smaller network the kernels, biases and means by which it stands in for the full one.

    One layer after the other, in the order of the graph: least squares from what it reads in the smaller network, as
    far as that is refitted, to what the layer writes in the full one. So each layer makes up for the errors before it.
    Where its output is added to others, the target is the full network's sum. No gradient step is taken, and no
    label is needed.

    Args:
        full: The network before pruning.
        small: What `slice_model` made of it; it is changed.
        channel_map: Channels of the full network.
        mask: The mask that was cut, `[C]`.
        batches: Returns inputs as the networks take them, batch by batch, the same ones at every call.
        ridge: How strongly kernels are drawn to what they were, as a fraction of the mean square of an input.
        places: At how many places of each image outputs are compared.
        seed: Decides which.
        memory: Most bytes of activations to keep between layers.
        settles: Whether statistics of batch normalisation become those of the smaller network at the end.
        on_step: Called with (layers done, all layers).

    Returns:
        What became of each layer that was refitted.

    Source:
        He, Zhang & Sun 2017, Channel Pruning for Accelerating Very Deep Neural Networks (section 3.1, with the error so
        far in view).
    """
    networks = Network(full), Network(small)
    readers = list(find_readers(*networks, channel_map=channel_map, mask=mask))
    walk = Walk(networks, batches, memory=memory)
    report = []
    for done, reader in enumerate(readers, start=1):
        rows = _Rows(reader, networks, places=places, seed=seed)
        equations = None
        for number, known in enumerate(walk.to(reader.places[0])):
            for inputs, targets in rows.of(known, number):
                if equations is None:
                    sizes = inputs.shape[1], inputs.shape[2], targets.shape[2]
                    equations = NormalEquations(*sizes, has_intercept=reader.has_intercept)
                equations.add(inputs, targets)
        if equations is not None:
            report.append(_solve(reader, equations, ridge=ridge))
        if on_step is not None:
            on_step(done, len(readers))
    if settles:
        settle_statistics(networks[1], batches)
    return tuple(report)


class _Rows:
    """What a layer reads in the smaller network, and what it should write, at places that are drawn.

    Args:
        reader: The layer.
        networks: The full one and the smaller.
        places: How many of each image.
        seed: Decides which.
    """

    def __init__(self, reader: Reader, networks: tuple[Network, Network], *, places: int, seed: int) -> None:
        self._reader, self._networks = reader, networks
        self._places, self._seed = places, seed
        self._kernel = reader.small.matrix(reader.target_kernel())

    def of(self, known: tuple[Values, ...], number: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Yield inputs `[n, groups, I]` and targets `[n, groups, O]` of each call on one batch.

        Args:
            known: Values of both networks before the first call.
            number: Of the batch.
        """
        begin = self._reader.places[0]
        for place in self._reader.places:
            known = tuple(
                network.run(values, begin, place)
                for network, values in zip(self._networks, known, strict=True)
            )
            begin = place
            full, small = (
                values[id(network.calls[place].input_tensors[0])]
                for network, values in zip(self._networks, known, strict=True)
            )
            at = drawn_places(self._reader.full, full, self._places, seed=(self._seed, place, number))
            rows = self._reader.full.rows(full, at)[:, self._reader.groups]
            targets = (rows.swapaxes(0, 1) @ self._kernel).swapaxes(0, 1)
            lack = self._lack(known, at, written=self._reader.full.output_shape(tuple(full.shape)))
            yield self._reader.small.rows(small, at), targets + lack

    def _lack(self, known: tuple[Values, ...], at: np.ndarray, *, written: tuple[int, ...]) -> Any:
        """Return what the other terms of the sum lack, in units of this layer's output, `[n, groups, O]`; or 0."""
        tail, lack = self._reader.tail, np.zeros(())
        full, small = (network.calls[tail.place].input_tensors for network in self._networks)
        for other in tail.others:
            if id(full[other]) not in known[0] or id(small[other]) not in known[1]:
                # Not computed yet: it is the other term that makes up for this one.
                return 0.0
            wanted, there = (
                as_array(values[id(tensor[other])])
                for values, tensor in zip(known, (full, small), strict=True)
            )
            if wanted.shape != written or there.shape != (*written[:-1], len(self._reader.kept)):
                # A sum that repeats one of its terms over places has no target at a place.
                return 0.0
            lack = lack + values_at(wanted, at)[:, self._reader.kept] - values_at(there, at)
        scale = np.asarray(tail.scale())
        # A feature that is scaled to nothing can make up for nothing.
        is_heard = np.abs(scale) > _LEAST_SCALE * np.abs(scale).max()
        lack = np.where(is_heard, lack / np.where(is_heard, scale, 1.0), 0.0)
        return lack.reshape(-1, len(self._kernel), self._kernel.shape[2]) if tail.others else 0.0


def _solve(reader: Reader, equations: NormalEquations, *, ridge: float) -> Refitted:
    """Give a layer its kernel, and the constant to its bias or to the normalisation behind it."""
    form, bias = reader.small, reader.small.bias
    kernel = ops.convert_to_numpy(form.kernel)
    before = form.matrix(kernel).astype("float64")
    after, intercept = equations.solve(before, ridge=ridge)
    form.kernel.assign(form.shaped(after, kernel.shape))
    if bias is not None:
        bias.assign(bias + ops.convert_to_tensor(intercept.reshape(bias.shape), bias.dtype))
    elif reader.has_intercept:
        mean = reader.tail.norms[0].moving_mean
        mean.assign(mean - ops.convert_to_tensor(intercept.reshape(-1), mean.dtype))
    return Refitted(form.layer.name, equations.error(before), equations.error(after))
