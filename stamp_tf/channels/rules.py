"""How each kind of layer treats channels. What has no rule here is kept whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import activations, layers

if TYPE_CHECKING:
    from stamp_tf.channels.trace import Trace

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_PASSING = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.ActivityRegularization),
    *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.GaussianDropout, layers.GaussianNoise, layers.AlphaDropout),
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D),
    *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
    *(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D),
)
_MERGES = (layers.Add, layers.Multiply, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum)
_MIXING_ACTIVATIONS = ("softmax", "log_softmax", "sparsemax", "glu")
# Functions of keras.ops that a graph may hold without a layer, e.g. from `x + y`.
_PASSING_OPS: tuple[str, ...] = (
    "Relu",
    "Relu6",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Gelu",
    "Silu",
    "Sigmoid",
    "HardSigmoid",
    "HardSilu",
)
_PASSING_OPS += ("Tanh", "Softplus", "Softsign", "Absolute", "Negative", "Square", "Sqrt", "Exp", "Identity")
_MERGE_OPS = ("Add", "Multiply", "Subtract", "Maximum", "Minimum", "Divide", "TrueDivide")


def apply_rule(trace: Trace, operation: Any, node: Any) -> None:
    """Record what one call does to its channels.

    Args:
        trace: What is known so far; extended.
        operation: The layer or operation.
        node: The call.
    """
    tensors = node.input_tensors
    rule = _rule_of(operation)
    if getattr(operation, "data_format", "channels_last") == "channels_first":
        rule, reason = None, "channels come first"
    elif rule in _READING and not operation.trainable:
        rule, reason = None, "it is frozen, and masks reach only what is trained"
    else:
        reason = f"no rule for {type(operation).__name__}"
    if rule is not None:
        refusal = rule(trace, operation, node)
        if refusal is None:
            return
        reason = refusal
    for tensor in tensors:
        trace.lock(trace.ids[id(tensor)])
    for tensor in node.outputs:
        trace.ids[id(tensor)] = np.zeros(tensor.shape[-1] or 0 if len(tensor.shape) else 0, int)
    if any(trace.ids[id(tensor)].size for tensor in tensors):
        trace.kept_whole.append((operation.name, reason))


def _rule_of(operation: Any) -> Callable[[Trace, Any, Any], str | None] | None:
    """Return the rule, which records the call or returns the reason why it cannot."""
    kinds: tuple[tuple[tuple[type, ...], Callable[[Trace, Any, Any], str | None]], ...] = (
        (_DEPTHWISE, _depthwise),
        (_SEPARABLE, _separable),
        (_TRANSPOSED, _transposed),
        (_CONVOLUTIONS, _convolution),
        ((layers.Dense,), _dense),
        ((layers.BatchNormalization,), _batch_normalization),
        ((layers.LayerNormalization,), _layer_normalization),
        ((layers.PReLU,), _prelu),
        ((layers.Activation,), _activation),
        ((layers.Flatten,), _flatten),
        ((layers.Reshape,), _reshape),
        ((layers.Concatenate,), _concatenate),
        (_MERGES, _merge),
        (_PASSING, _pass),
    )
    for types, rule in kinds:
        # The exact class: a subclass may do anything in its `call`.
        if type(operation) in types:
            return rule
    if type(operation).__module__.startswith("keras.src.ops"):
        if type(operation).__name__ in _PASSING_OPS:
            return _pass
        if type(operation).__name__ in _MERGE_OPS:
            return _merge
    return None


def _channels(trace: Trace, node: Any) -> np.ndarray:
    """Return the channels of a call's first input."""
    return trace.ids[id(node.input_tensors[0])]


def _pass(trace: Trace, operation: Any, node: Any) -> str | None:
    trace.put(node, _channels(trace, node))
    return None


def _produce(trace: Trace, layer: Any, node: Any, *, kernel: Any, axis: int) -> None:
    """Record fresh output channels of a kernel and its bias; a second call reuses the first one's."""
    known = trace.axes.get((kernel.path, axis % len(kernel.shape)))
    channels = trace.new_channels(kernel.shape[axis]) if known is None else known[0]
    trace.carry(kernel, axis, channels, role="producer", layer=layer.name)
    if layer.use_bias:
        trace.carry(layer.bias, 0, channels, role="producer", layer=layer.name)
    trace.put(node, channels)


def _mixes(layer: Any) -> str | None:
    """Return why a layer's own activation cannot be passed."""
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
    if getattr(activations, name, None) is not layer.activation:
        return f"its activation {name} is not one of Keras's"
    return f"its activation {name} mixes channels" if name in _MIXING_ACTIVATIONS else None


def _dense(trace: Trace, layer: Any, node: Any) -> str | None:
    if reason := _mixes(layer):
        return reason
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return "it is quantised or has adapters"
    trace.carry(layer._kernel, 0, _channels(trace, node), role="consumer", layer=layer.name)
    _produce(trace, layer, node, kernel=layer._kernel, axis=1)
    return None


def _convolution(trace: Trace, layer: Any, node: Any) -> str | None:
    if layer.groups != 1:
        return f"it convolves {layer.groups} groups of channels apart"
    if reason := _mixes(layer):
        return reason
    if getattr(layer, "lora_enabled", False):
        return "it has adapters"
    trace.carry(layer._kernel, -2, _channels(trace, node), role="consumer", layer=layer.name)
    _produce(trace, layer, node, kernel=layer._kernel, axis=-1)
    return None


def _transposed(trace: Trace, layer: Any, node: Any) -> str | None:
    if reason := _mixes(layer):
        return reason
    trace.carry(layer.kernel, -1, _channels(trace, node), role="consumer", layer=layer.name)
    _produce(trace, layer, node, kernel=layer.kernel, axis=-2)
    return None


def _depthwise(trace: Trace, layer: Any, node: Any) -> str | None:
    if reason := _mixes(layer):
        return reason
    channels = _channels(trace, node)
    trace.carry(layer.kernel, -2, channels, role="follower", layer=layer.name)
    outputs = np.repeat(channels, layer.depth_multiplier)
    if layer.use_bias:
        trace.carry(layer.bias, 0, outputs, role="follower", layer=layer.name)
    trace.put(node, outputs)
    return None


def _separable(trace: Trace, layer: Any, node: Any) -> str | None:
    if reason := _mixes(layer):
        return reason
    channels = _channels(trace, node)
    trace.carry(layer.depthwise_kernel, -2, channels, role="follower", layer=layer.name)
    inner = np.repeat(channels, layer.depth_multiplier)
    trace.carry(layer.pointwise_kernel, -2, inner, role="consumer", layer=layer.name)
    _produce(trace, layer, node, kernel=layer.pointwise_kernel, axis=-1)
    return None


def _follow(trace: Trace, layer: Any, node: Any) -> None:
    """Record that every vector of a normalisation goes with its channels."""
    channels = _channels(trace, node)
    for weight in layer.weights:
        if weight.shape == (len(channels),):
            trace.carry(weight, 0, channels, role="follower", layer=layer.name)
    trace.put(node, channels)


def _last_axis(layer: Any, node: Any) -> bool:
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    rank = len(node.input_tensors[0].shape)
    return [axis % rank for axis in axes] == [rank - 1]


def _batch_normalization(trace: Trace, layer: Any, node: Any) -> str | None:
    if not _last_axis(layer, node):
        return "it does not normalise along the last axis"
    _follow(trace, layer, node)
    return None


def _layer_normalization(trace: Trace, layer: Any, node: Any) -> str | None:
    if not _last_axis(layer, node):
        return "it does not normalise along the last axis"
    _follow(trace, layer, node)
    trace.inexact.append((layer.name, "its mean and variance run over the channels that are left"))
    return None


def _prelu(trace: Trace, layer: Any, node: Any) -> str | None:
    channels = _channels(trace, node)
    # With one slope for all channels there is nothing to take away.
    if layer.alpha.shape[-1] == len(channels):
        trace.carry(layer.alpha, -1, channels, role="follower", layer=layer.name)
    trace.put(node, channels)
    return None


def _activation(trace: Trace, layer: Any, node: Any) -> str | None:
    if reason := _mixes(layer):
        return reason
    return _pass(trace, layer, node)


def _flatten(trace: Trace, layer: Any, node: Any) -> str | None:
    positions = node.input_tensors[0].shape[1:-1]
    if None in positions:
        return "its input has no fixed size"
    trace.put(node, np.tile(_channels(trace, node), int(np.prod(positions))))
    return None


def _reshape(trace: Trace, layer: Any, node: Any) -> str | None:
    channels = _channels(trace, node)
    shape = node.outputs[0].shape
    if (
        len(node.input_tensors[0].shape) != 2
        or shape[-1] != len(channels)
        or any(n != 1 for n in shape[1:-1])
    ):
        return "it moves channels elsewhere"
    trace.put(node, channels)
    return None


def _concatenate(trace: Trace, layer: Any, node: Any) -> str | None:
    inputs = [trace.ids[id(tensor)] for tensor in node.input_tensors]
    if layer.axis % len(node.input_tensors[0].shape) == len(node.input_tensors[0].shape) - 1:
        trace.put(node, np.concatenate(inputs))
    else:
        for other in inputs[1:]:
            trace.tie(inputs[0], other)
        trace.put(node, inputs[0])
    return None


def _merge(trace: Trace, operation: Any, node: Any) -> str | None:
    arguments = [*node.arguments.args, *node.arguments.kwargs.values()]
    if any(isinstance(value, np.ndarray) or hasattr(value, "numpy") for value in arguments):
        return "it merges with a constant array"
    inputs = [trace.ids[id(tensor)] for tensor in node.input_tensors]
    size = max(len(channels) for channels in inputs)
    wide = next(channels for channels in inputs if len(channels) == size)
    for channels in inputs:
        if len(channels) == size:
            trace.tie(wide, channels)
        else:  # One channel spread over all: it cannot go while any of them stays.
            trace.lock(channels)
    trace.put(node, wide)
    return None


_READING = (_dense, _convolution, _transposed, _separable)
