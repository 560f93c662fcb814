"""Layers that hold numbers for each channel: normalisations, slopes, scales."""

from typing import Any

import numpy as np

from stamp_tf.channels.call import Call


def batch_normalization(call: Call) -> str | None:
    """Treat every channel on its own."""
    if not _last_axis(call):
        return "it does not normalise along the last axis"
    _follow(call)
    return None


def group_normalization(call: Call) -> str | None:
    """Treat a group as one channel: its mean and variance run over all of it."""
    layer = call.layer
    if not _last_axis(call):
        return "it does not normalise along the last axis"
    if layer.groups == 1:
        return "its mean and variance run over all channels"
    members = call.channels.reshape(layer.groups, -1)
    for column in members.T[1:]:
        call.tie(members[:, 0], column)
    call.count("groups", members[:, 0])
    _follow(call)
    return None


def layer_normalization(call: Call) -> str | None:
    """Keep all channels: without one of them, mean and variance would be others."""
    return "its mean and variance run over all channels"


def prelu(call: Call) -> str | None:
    """Follow with the slopes, unless all channels share one."""
    if call.layer.alpha.shape[-1] == len(call.channels):
        call.follow(call.layer.alpha, -1, call.channels)
    call.write(call.channels)
    return None


def rescaling(call: Call) -> str | None:
    """Pass channels on where all are scaled alike."""
    if any(np.size(value) > 1 for value in (call.layer.scale, call.layer.offset)):
        return "it scales every channel by a constant of its own"
    call.write(call.channels)
    return None


def layer_scale(call: Call) -> None:
    """Follow with `gamma`, as the layer of that name in ConvNeXt wants."""
    call.follow(call.layer.gamma, 0, call.channels)
    call.write(call.channels)


def _follow(call: Call) -> None:
    """Record that every vector of a normalisation goes with its channels."""
    for weight in call.layer.weights:
        if tuple(weight.shape) == (len(call.channels),):
            call.follow(weight, 0, call.channels)
    call.write(call.channels)


def _last_axis(call: Call) -> bool:
    layer: Any = call.layer
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    rank = len(call.input_shape)
    return [axis % rank for axis in axes] == [rank - 1]
