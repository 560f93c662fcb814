"""In which order channels go, and what is missing without them when the kernels that read them are refitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import Budget, ChannelGroup, ChannelMap, CostModel
from stamp_tf.refit.linear_forms import LinearForm, as_array, drawn_places, is_affordable, linear_form
from stamp_tf.refit.normal_equations import NormalEquations
from stamp_tf.refit.readers import Tail, tail_of
from stamp_tf.refit.survivors import Blocks, Survivors
from stamp_tf.refit.walk import Network, Walk

# Of a large group several channels go between two looks at all of them: a sixty-fourth of those that are left.
_STEPS = 64
_NEAR = 4
# Sums carry a channel on to all that follows, which no single reader counts: two to four was best for ResNets.
_SHARED = 3.0


@dataclass(frozen=True)
class RemovalOrder:
    """How the channels of one group go, the most dispensable first.

    Args:
        channels: Their numbers, in that order, `[size]`.
        errors: What is missing without all of them so far, `[size]`: the squares that a refit leaves of a layer's
            output, added up over the layers that read the group, as a fraction of what that output varies by, or the
            sum that it is a term of. Never falling.
    """

    channels: np.ndarray
    errors: np.ndarray


def removal_orders(
    model: keras.Model,
    channel_map: ChannelMap,
    batches: Callable[[], Iterable[Any]],
    *,
    ridge: float = 1e-2,
    places: int = 16,
    seed: int = 0,
    memory: float = 1e9,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[RemovalOrder, ...]:
    """Return an order for each group: the cheapest channel goes, the others stand in for it, and so on.

    Args:
        model: The full network.
        channel_map: Its channels.
        batches: Returns inputs as the network takes them, batch by batch, the same ones at every call.
        ridge: How strongly kernels are drawn to what they were, as a fraction of the mean square of an input.
        places: At how many places of each image inputs are looked at.
        seed: Decides which.
        memory: Most bytes of activations to keep between layers.
        on_step: Called with (layers done, all layers).

    Source:
        Hassibi & Stork 1993, Optimal Brain Surgeon; in blocks, Kurtic et al. 2023, ZipLM.
    """
    network = Network(model)
    readers = _readers(network, channel_map)
    left = [sum(number in reads for _, _, reads in readers) for number in range(len(channel_map.groups))]
    survivors: dict[int, list[Survivors]] = {number: [] for number in range(len(channel_map.groups))}
    orders: dict[int, RemovalOrder] = {}
    walk = Walk((network,), batches, memory=memory)
    for done, (place, form, reads) in enumerate(readers, start=1):
        tail = tail_of(network, network, network.places(form.layer))
        gram, variance = _measured(walk, network, place=place, form=form, tail=tail, places=places, seed=seed)
        kernel = form.matrix(ops.convert_to_numpy(form.kernel).astype("float64"))[0] * tail.scale()
        for number, blocks in reads.items():
            size = channel_map.groups[number].size
            own = Survivors(gram, kernel, blocks, variance=variance, num_channels=size, ridge=ridge)
            survivors[number].append(own)
            left[number] -= 1
            if left[number] == 0:
                orders[number] = _order(channel_map.groups[number], survivors.pop(number))
        if on_step is not None:
            on_step(done, len(readers))
    return tuple(
        orders[number] if number in orders else _as_numbered(group)
        for number, group in enumerate(channel_map.groups)
    )


def removal_scores(
    channel_map: ChannelMap, orders: Iterable[RemovalOrder], *, prices: np.ndarray | None = None
) -> np.ndarray:
    """Return what the error grows by with each channel that goes, `[C]`: scores for one cut over all groups.

    Args:
        channel_map: The channels.
        orders: What `removal_orders` returned.
        prices: What each channel costs, `[C]`, more than 0; the growth is divided by it. All alike if None.
    """
    scores = np.zeros(channel_map.num_channels)
    for order in orders:
        growth = np.maximum.accumulate(np.diff(order.errors, prepend=0.0))
        # No channel may outlive one that goes after it, not by its number either.
        growth *= 1 + 1e-9 * np.arange(len(growth))
        group = channel_map.groups[channel_map.group_of[order.channels[0]]]
        weight = _SHARED if len(group.producers) > 1 else 1.0
        scores[order.channels] = weight * growth / (1.0 if prices is None else prices[order.channels].mean())
    return scores


def prices_of(cost_model: CostModel, budget: Budget) -> np.ndarray:
    """Return what each channel costs of a budget where half of all are kept, `[C]`.

    Args:
        cost_model: Of the full network.
        budget: The limits; FLOPs stand in for those on what is neither FLOPs nor parameters.
    """
    limits = np.asarray(budget.of_training)
    weights = 1 / limits if np.isfinite(limits).any() else np.array([0.0, 1.0])
    halves = np.full(cost_model.num_channels, 0.5, "float32")
    prices = weights @ ops.convert_to_numpy(cost_model.prices(ops.convert_to_tensor(halves)))
    return np.maximum(prices, np.finfo("float32").tiny)


def _readers(network: Network, channel_map: ChannelMap) -> list[tuple[int, LinearForm, dict[int, Blocks]]]:
    """Return place and form of every layer that mixes removable channels, and the inputs of each channel, by group."""
    consumers = {axis.path: axis.channels for axis in channel_map.weight_axes if axis.role == "consumer"}
    found: dict[str, tuple[int, LinearForm, dict[int, Blocks]]] = {}
    for place, call in enumerate(network.calls):
        form = linear_form(call.operation)
        if form is None or form.kernel.path in found or form.kernel.path not in consumers:
            continue
        channels = consumers[form.kernel.path]
        groups = np.unique(channel_map.group_of[channels[channels >= 0]])
        if len(groups) and is_affordable(form):
            taps = form.matrix(np.empty(form.kernel.shape, "int8")).shape[1] // len(channels)
            reads = {
                int(number): _blocks(channels, channel_map.groups[number], taps=taps) for number in groups
            }
            found[form.kernel.path] = place, form, reads
    return list(found.values())


def _blocks(channels: np.ndarray, group: ChannelGroup, *, taps: int) -> Blocks:
    """Return which inputs of a kernel belong to which channel of a group.

    Args:
        channels: Channel of each slice of the kernel.
        group: The group; a kernel may read a part of it alone, or some of its channels more often than others.
        taps: Inputs of each slice.
    """
    slices = np.flatnonzero((channels >= group.start) & (channels < group.start + group.size))
    slices = slices[np.argsort(channels[slices], kind="stable")]
    owners, starts, counts = np.unique(channels[slices] - group.start, return_index=True, return_counts=True)
    blocks = []
    for count in np.unique(counts):
        own = slices[starts[counts == count, None] + np.arange(count)]
        inputs = own[:, None] + np.arange(taps)[:, None] * len(channels)
        blocks.append((owners[counts == count], inputs.reshape(len(own), -1)))
    return blocks


def _measured(
    walk: Walk, network: Network, *, place: int, form: LinearForm, tail: Tail, places: int, seed: int
) -> tuple[np.ndarray, float | None]:
    """Return mean products of what a layer reads with itself, `[I, I]`, and by how much the sum of its tail varies."""
    tensor = network.calls[place].input_tensors[0]
    equations = None
    count, sums, squares = 0, np.zeros(()), np.zeros(())
    for number, (values,) in enumerate(walk.to(place)):
        inputs = values[id(tensor)]
        rows = form.rows(inputs, drawn_places(form, inputs, places, seed=(seed, place, number)))
        if equations is None:
            equations = NormalEquations(1, rows.shape[2], 0, has_intercept=True)
        equations.add(rows, rows[..., :0])
        if tail.place >= 0:
            written = as_array(network.written(values, place, tail.place)).astype("float64")
            features = written.reshape(-1, written.shape[-1])
            count, sums = count + len(features), sums + features.sum(0)
            squares = squares + np.square(features).sum(0)
    assert equations is not None
    gram: np.ndarray = equations.gram[0]
    return gram, float((squares / count - np.square(sums / count)).sum()) if count else None


def _order(group: ChannelGroup, readers: list[Survivors]) -> RemovalOrder:
    gone, errors, error = [], [], 0.0
    left = np.ones(group.size, bool)
    while (rest := int(left.sum())) > 1:
        count = max(1, rest // _STEPS)
        prices = np.where(left, np.sum([reader.prices() for reader in readers], axis=0), np.inf)
        # Only those next in line are looked at anew after each that goes, and all others when these are gone.
        near = np.argsort(prices, kind="stable")[: _NEAR * count]
        parts = [reader.part(near) for reader in readers] if count > 1 else []
        for number in range(count):
            if number:
                prices = np.full(group.size, np.inf)
                prices[near] = np.sum([part.prices() for part in parts], axis=0)[near]
                prices[~left] = np.inf
            cheapest = int(np.argmin(prices))
            error += max(float(prices[cheapest]), 0.0)
            errors.append(error)
            gone.append(cheapest)
            left[cheapest] = False
            for part in parts:
                part.remove([cheapest])
        for reader in readers:
            reader.remove(gone[-count:])
    gone.append(int(np.argmax(left)))
    # Without the last one nothing is read any more.
    errors.append(max(float(len(readers)), error))
    return RemovalOrder(group.start + np.array(gone), np.array(errors))


def _as_numbered(group: ChannelGroup) -> RemovalOrder:
    """Return the order of a group that no kernel reads whose error could be told."""
    return RemovalOrder(
        np.arange(group.start, group.start + group.size)[::-1], np.arange(1, group.size + 1) / group.size
    )
