"""Layers without weights: they pass channels on, move them, or bring them together."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.call import Call
from stamp_tf.channels.rules.kernels import mixing_activation, unknown_activation


def keep(call: Call) -> str | None:
    """Pass every channel on, unless a slope is given for each."""
    if any(np.size(getattr(call.layer, name, 0.0)) > 1 for name in ("alpha", "negative_slope")):
        return "it has a slope for each channel"
    call.write(call.channels)
    return None


def activation(call: Call) -> str | None:
    """Pass every channel on, unless the function mixes them."""
    if reason := unknown_activation(call.layer) or mixing_activation(call.layer):
        return reason
    return keep(call)


def dropout(call: Call) -> str | None:
    """Pass every channel on, unless the shape of the noise counts them."""
    shape = call.layer.noise_shape
    if shape is not None and len(shape) and shape[-1] not in (None, 1):
        return "the shape of its noise is given"
    return keep(call)


def clip(call: Call) -> str | None:
    """Pass every channel on where all have the same limits."""
    if any(np.size(limit) > 1 for limit in (call.layer.x_min, call.layer.x_max) if limit is not None):
        return "it has limits for each channel"
    return keep(call)


def softmax(call: Call) -> str | None:
    """Keep all channels: each is divided by the sum of all."""
    return "softmax mixes channels"


def flatten(call: Call) -> str | None:
    """Repeat the channels for every position."""
    width = call.output_shape[-1]
    return "its input has no fixed size" if width is None else _move(call, width)


def reshape(call: Call) -> str | None:
    """Move channels where all features of the new last axis keep theirs at every position.

    The batch may change on the way: positions may be folded into it.
    """
    option = "target_shape" if isinstance(call.layer, keras.layers.Reshape) else "newshape"
    target = getattr(call.layer, option, None)
    width = call.output_shape[-1] if len(call.output_shape) > 1 else None
    if not isinstance(target, Sequence) or not target or width is None:
        return "its output has no fixed size"
    # Rows of the same length stay what they are, whatever the other sizes.
    reason = keep(call) if width == len(call.channels) else _move(call, width)
    if reason is None and target[-1] != -1 and call.written is not None:
        call.count(option, call.written, index=len(target) - 1)
    return reason


def permute(call: Call) -> str | None:
    """Pass channels on where the last axis stays the last."""
    return keep(call) if call.layer.dims[-1] == len(call.layer.dims) else "it moves channels elsewhere"


def transpose(call: Call) -> str | None:
    """Pass channels on where batch and last axis stay where they are."""
    axes = call.layer.axes
    stays = axes is not None and axes[0] == 0 and axes[-1] == len(axes) - 1
    return keep(call) if stays else "it moves channels elsewhere"


def _move(call: Call, width: int) -> str | None:
    """Carry a channel number for each element into rows of another length, and see whether they still line up."""
    positions = [size for size in call.input_shape[1:-1] if size is not None]
    if len(positions) < len(call.input_shape) - 2:
        return "its input has no fixed size"
    elements = np.tile(call.channels, int(np.prod(positions)))
    # Where an image is no whole number of rows, several images are.
    repeats = np.lcm(max(1, elements.size), max(1, width)) // max(1, elements.size)
    rows = np.tile(elements, repeats).reshape(-1, width)
    if (rows != rows[0]).any():
        return "it moves channels elsewhere"
    call.write(rows[0])
    return None


def reduce(call: Call) -> str | None:
    """Pass channels on where the mean, sum or extreme runs over positions alone."""
    rank = len(call.input_shape)
    axes = call.layer.axis
    axes = range(rank) if axes is None else axes if isinstance(axes, Sequence) else [axes]
    if not {axis % rank for axis in axes} <= set(range(1, rank - 1)):
        return "it reduces more than positions"
    return keep(call)


def concatenate(call: Call) -> str | None:
    """Put channels side by side, or tie them where positions are put side by side."""
    rank = len(call.input_shape)
    if any(_is_array(value) for value in call.constants):
        return "it merges with a constant array"
    if call.layer.axis % rank == rank - 1:
        call.write(np.concatenate(call.inputs))
    else:
        for other in call.inputs[1:]:
            call.tie(call.inputs[0], other)
        call.write(call.inputs[0])
    return None


def merge(call: Call) -> str | None:
    """Tie channels of all inputs, element by element."""
    if any(_is_array(value) for value in call.constants):
        return "it merges with a constant array"
    size = max(len(channels) for channels in call.inputs)
    wide = next(channels for channels in call.inputs if len(channels) == size)
    for channels in call.inputs:
        if len(channels) == size:
            call.tie(wide, channels)
        else:
            call.lock(channels, "one channel is spread over all others")
    call.write(wide)
    return None


def _is_array(value: Any) -> bool:
    """Return whether a constant is more than one number."""
    shape = tuple(value.shape) if hasattr(value, "shape") else np.shape(value)
    return bool(shape)
