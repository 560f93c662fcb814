"""Layers whose kernels mix channels, or filter each on its own."""

from typing import Any

import numpy as np
from keras import activations, layers

from stamp_tf.channels.call import Call

MIXING_ACTIVATIONS = ("softmax", "log_softmax", "sparsemax", "glu")


def unknown_activation(layer: Any) -> str | None:
    """Return why a layer's own activation cannot be passed, but for one that mixes channels."""
    if type(layer.activation) in (layers.ReLU, layers.LeakyReLU, layers.ELU):
        return None
    name = _activation_name(layer)
    known = getattr(activations, name, None) is layer.activation
    return None if known else f"its activation {name} is not one of Keras's"


def mixing_activation(layer: Any) -> str | None:
    """Return a reason in words if a layer's own activation mixes channels."""
    name = _activation_name(layer)
    return f"its activation {name} mixes channels" if name in MIXING_ACTIVATIONS else None


def _activation_name(layer: Any) -> str:
    return getattr(layer.activation, "__name__", type(layer.activation).__name__)


def dense(call: Call) -> str | None:
    """Read along the kernel's first axis, make along its second."""
    layer = call.layer
    if reason := unknown_activation(layer) or _adapted(layer):
        return reason
    call.read(layer._kernel, 0, call.channels)
    _make(call, layer._kernel, axis=1, option="units")
    return None


def convolution(call: Call) -> str | None:
    """Read along the kernel's last axis but one, make along its last."""
    layer = call.layer
    if reason := unknown_activation(layer) or _adapted(layer):
        return reason
    if layer.groups != 1:
        return _grouped(call)
    call.read(layer._kernel, -2, call.channels)
    _make(call, layer._kernel, axis=-1, option="filters")
    return None


def _grouped(call: Call) -> str | None:
    """Treat a group as one channel: what it reads and what it makes can only go together."""
    layer = call.layer
    if reason := mixing_activation(layer):
        return reason
    inputs = call.channels.reshape(layer.groups, -1)
    for column in inputs.T[1:]:
        call.tie(inputs[:, 0], column)
    outputs = np.repeat(inputs[:, 0], layer.filters // layer.groups)
    call.follow(layer._kernel, -1, outputs)
    if layer.use_bias:
        call.follow(layer.bias, 0, outputs)
    call.count("filters", outputs)
    call.count("groups", inputs[:, 0])
    call.write(outputs)
    return None


def transposed(call: Call) -> str | None:
    """Read along the kernel's last axis, make along its last but one."""
    if reason := unknown_activation(call.layer):
        return reason
    call.read(call.layer.kernel, -1, call.channels)
    _make(call, call.layer.kernel, axis=-2, option="filters")
    return None


def depthwise(call: Call) -> str | None:
    """Filter every channel on its own, into `depth_multiplier` features."""
    layer = call.layer
    if reason := unknown_activation(layer) or mixing_activation(layer):
        return reason
    outputs = np.repeat(call.channels, layer.depth_multiplier)
    call.follow(layer.kernel, -2, call.channels)
    if layer.use_bias:
        call.follow(layer.bias, 0, outputs)
    call.write(outputs)
    return None


def separable(call: Call) -> str | None:
    """Filter every channel on its own, then mix."""
    layer = call.layer
    if reason := unknown_activation(layer):
        return reason
    call.follow(layer.depthwise_kernel, -2, call.channels)
    call.read(layer.pointwise_kernel, -2, np.repeat(call.channels, layer.depth_multiplier))
    _make(call, layer.pointwise_kernel, axis=-1, option="filters")
    return None


def _make(call: Call, kernel: Any, *, axis: int, option: str) -> None:
    """Record fresh output channels of a kernel and its bias."""
    channels = call.make(kernel, axis, call.layer.bias if call.layer.use_bias else None)
    if reason := mixing_activation(call.layer):
        call.lock(channels, reason)
    call.count(option, channels)
    call.write(channels)


def _adapted(layer: Any) -> str | None:
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return "it is quantised or has adapters"
    return None
