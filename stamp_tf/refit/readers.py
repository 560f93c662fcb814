"""Which kernels are refitted, and what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelMap
from stamp_tf.channels.groups import WeightAxis
from stamp_tf.refit.linear_forms import LinearForm, as_array, is_affordable, linear_form
from stamp_tf.refit.walk import Network


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A layer that mixes channels, in the full network and in the smaller one.

    Args:
        places: Its calls.
        full: Its form in the full network.
        small: The same in the smaller network.
        kept: Which of the full layer's outputs the smaller one has.
        groups: Which of the full kernel's groups.
        tail: What its output passes before it is read by anything else.
    """

    places: tuple[int, ...]
    full: LinearForm
    small: LinearForm
    kept: np.ndarray
    groups: np.ndarray
    tail: Tail

    @property
    def has_intercept(self) -> bool:
        """Whether something takes up a constant that is added to the output."""
        return self.small.bias is not None or self.tail.takes_constant

    def target_kernel(self) -> np.ndarray:
        """Return the full kernel, of its outputs those that are kept."""
        kernel = as_array(self.full.kernel)
        return np.take(kernel, self.kept, axis=self.full.output_axis)


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The way of an output to a sum, as long as each feature is only scaled and shifted.

    Args:
        norms: Batch normalisations of the smaller network on the way.
        takes_constant: Whether the first of them reads this output alone.
        place: Of the sum, -1 where there is none.
        others: Which inputs of the sum come from elsewhere.
    """

    norms: tuple[Any, ...] = ()
    takes_constant: bool = False
    place: int = -1
    others: tuple[int, ...] = ()

    def scale(self) -> np.ndarray | float:
        """Return what the sum multiplies each feature of the output by."""
        scale: np.ndarray | float = 1.0
        for norm in self.norms:
            deviation = np.sqrt(ops.convert_to_numpy(norm.moving_variance) + norm.epsilon)
            scale = scale * (ops.convert_to_numpy(norm.gamma) if norm.scale else 1.0) / deviation
        return scale


def find_readers(
    full: Network, small: Network, *, channel_map: ChannelMap, mask: ChannelMask
) -> Iterator[Reader]:
    """Yield every layer that mixes channels, from the first one that reads fewer on.

    What reads all of its channels behind a cut is among them: their values are no longer those of the full network.

    Args:
        full: The full network.
        small: The smaller one.
        channel_map: Channels of the full network.
        mask: Which channels stayed, `[C]`.
    """
    axes: dict[str, list[WeightAxis]] = {}
    for axis in channel_map.weight_axes:
        axes.setdefault(axis.path, []).append(axis)
    is_behind = False
    for operation in {id(call.operation): call.operation for call in full.calls}.values():
        calls = full.places(operation)
        form, twin = (linear_form(network.calls[calls[0]].operation) for network in (full, small))
        if form is None or twin is None:
            continue
        own = axes.get(form.kernel.path, [])
        is_behind = is_behind or any(
            axis.role == "consumer" and len(axis.kept_slices(mask)) < len(axis.channels) for axis in own
        )
        if is_behind and is_affordable(twin):
            kept = _kept_outputs(form, own, mask)
            yield Reader(
                places=tuple(calls),
                full=form,
                small=twin,
                kept=kept,
                # A group goes with all that it writes, or stays with all of it.
                groups=np.unique(kept * form.groups // form.kernel.shape[form.output_axis]),
                tail=tail_of(full, small, calls) if form.num_written_axes == 1 else Tail(),
            )


def _kept_outputs(form: LinearForm, axes: list[WeightAxis], mask: ChannelMask) -> np.ndarray:
    rank = len(form.kernel.shape)
    for axis in axes:
        if axis.axis % rank == form.output_axis % rank:
            return axis.kept_slices(mask)
    return np.arange(form.kernel.shape[form.output_axis])


def tail_of(full: Network, small: Network, calls: list[int]) -> Tail:
    """Follow the output of a layer that is called once.

    Args:
        full: The full network.
        small: Whose normalisations are meant; the full one where there is no smaller.
        calls: Places of the layer's calls.
    """
    if len(calls) > 1 or _is_curved(full.calls[calls[0]].operation):
        return Tail()
    norms: list[Any] = []
    takes_constant = False
    tensor = full.calls[calls[0]].outputs[0]
    while id(tensor) not in full.outputs and len(readers := full.readers.get(id(tensor), [])) == 1:
        call = full.calls[readers[0]]
        kind = type(call.operation)
        if kind is layers.BatchNormalization:
            norms.append(small.calls[readers[0]].operation)
            # A layer that is called twice cannot be shifted for one of its calls.
            is_own = sum(other.operation is call.operation for other in full.calls) == 1
            takes_constant = takes_constant or (len(norms) == 1 and is_own)
        elif kind.__name__ == "Add" and call.input_tensors.count(tensor) == 1:
            others = tuple(i for i, one in enumerate(call.input_tensors) if one is not tensor)
            return Tail(norms=tuple(norms), takes_constant=takes_constant, place=readers[0], others=others)
        elif kind not in (layers.Dropout, layers.Identity, layers.SpatialDropout2D):
            break
        tensor = call.outputs[0]
    return Tail(norms=tuple(norms), takes_constant=takes_constant)


def _is_curved(layer: Any) -> bool:
    return layer.activation is not keras.activations.linear
