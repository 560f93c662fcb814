"""How each kind of layer treats channels: which rule holds. What has no rule is kept whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

import stamp_registry
from stamp_tf.channels.call import Call
from stamp_tf.channels.graph import is_keras_operation
from stamp_tf.channels.rules import kernels, pieces, shapes, vectors
from stamp_tf.channels.twin import why_not_rebuilt

logger = logging.getLogger(__name__)

Rule = Callable[[Call], str | None]

RULES: dict[tuple[type, ...], Rule] = {
    (layers.DepthwiseConv1D, layers.DepthwiseConv2D): kernels.depthwise,
    (layers.SeparableConv1D, layers.SeparableConv2D): kernels.separable,
    (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose): kernels.transposed,
    (layers.Conv1D, layers.Conv2D, layers.Conv3D): kernels.convolution,
    (layers.Dense,): kernels.dense,
    (layers.BatchNormalization,): vectors.batch_normalization,
    (layers.GroupNormalization,): vectors.group_normalization,
    (layers.LayerNormalization,): vectors.layer_normalization,
    (layers.PReLU,): vectors.prelu,
    (layers.Rescaling,): vectors.rescaling,
    (layers.Activation,): shapes.activation,
    (layers.Dropout, layers.AlphaDropout): shapes.dropout,
    (layers.Softmax,): shapes.softmax,
    (layers.Flatten,): shapes.flatten,
    (layers.Reshape,): shapes.reshape,
    (layers.Permute,): shapes.permute,
    (layers.Concatenate,): shapes.concatenate,
    (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D): pieces.zero_padding,
    (
        *(layers.Add, layers.Multiply, layers.Subtract),
        *(layers.Average, layers.Maximum, layers.Minimum),
    ): shapes.merge,
    (
        *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.ActivityRegularization),
        *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
        *(layers.GaussianDropout, layers.GaussianNoise),
        *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
        *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
        *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
        *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
        *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
        *(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D),
        *(layers.Resizing, layers.RepeatVector),
    ): shapes.keep,
}
"""Kinds of layers, and the rule that holds for each."""
# Functions of keras.ops that a graph may hold without a layer, e.g. from `x + y`.
_OPERATIONS: dict[tuple[str, ...], Rule] = {
    (
        *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Sigmoid", "HardSigmoid", "HardSilu"),
        *("Tanh", "Softplus", "Softsign", "Absolute", "Negative", "Square", "Sqrt", "Exp", "Identity"),
        *("Celu", "Mish", "HardTanh", "Cast", "MaxPool", "AveragePool", "ZerosLike", "OnesLike"),
    ): shapes.keep,
    ("Clip",): shapes.clip,
    (
        *("Add", "Multiply", "Subtract", "Maximum", "Minimum"),
        *("Divide", "TrueDivide", "Power"),
    ): shapes.merge,
    ("Mean", "Max", "Min", "Sum"): shapes.reduce,
    ("Reshape",): shapes.reshape,
    ("Transpose",): shapes.transpose,
    ("Concatenate",): shapes.concatenate,
    ("Split",): pieces.split,
    ("GetItem",): pieces.get_item,
    ("Pad",): pieces.pad,
}


def apply_rule(call: Call) -> None:
    """Record what one call does to its channels; where no rule can tell, forbid their removal.

    Args:
        call: The call.
    """
    layer = call.layer
    try:
        rule = rule_of(layer)
    except stamp_registry.RegistryError as error:
        return call.keep_whole(str(error))
    if rule is None:
        return call.keep_whole(f"no rule for {type(layer).__name__}")
    if _channels_first(layer) and rule is not pieces.zero_padding:
        return call.keep_whole("its channels come first")
    if path := call.ambiguous_path():
        return call.keep_whole(f"another weight has the path {path}, too")
    start = call.trace.mark()
    try:
        answer: Any = rule(call)
        reason = answer if answer is not None else _obstacle(call) or call.settle()
        if reason is not None and not isinstance(reason, str):
            reason = f"its rule returned {type(answer).__name__}, where None or a reason is wanted"
        elif reason is not None and not reason.strip():
            reason = "its rule returned a text without words, where None or a reason is wanted"
    except KeyboardInterrupt:
        raise
    # A rule may be anybody's. That it fails is no reason to leave the rest of the network alone.
    except BaseException as error:
        said = " ".join(str(error).split())[:200]
        reason = f"its rule raised {type(error).__name__}: {said}"
        module = getattr(rule, "__module__", type(rule).__module__)
        origin = "" if module.startswith("stamp_tf.") else f" of the plug-in {module}"
        logger.warning("%s (%s) is kept whole: the channel rule%s raised %s: %s", call.path,
                       type(layer).__name__, origin, type(error).__name__, said)  # fmt: skip
    if reason is not None:
        call.trace.take_back(start)
        call.keep_whole(reason)
    return None


def _obstacle(call: Call) -> str | None:
    """Return why the layer cannot be rebuilt, where it has to be because it would lose slices."""
    if not call.touches_layer:
        return None
    obstacles, key = call.trace.obstacles, id(call.layer)
    if key not in obstacles:
        obstacles[key] = why_not_rebuilt(call.layer)
    return obstacles[key]


def _channels_first(layer: Any) -> bool:
    data_format = getattr(layer, "data_format", "channels_last")
    # Operations take what Keras is set to where it is left open.
    return (data_format or keras.config.image_data_format()) == "channels_first"


def rule_of(layer: Any) -> Rule | None:
    """Return the rule of a layer or operation, which records a call or returns the reason why it cannot.

    Args:
        layer: The layer or operation.

    Raises:
        RegistryError: If a plug-in's rule cannot be loaded.
    """
    kind = type(layer)
    for types, rule in RULES.items():
        # The exact class: a subclass may do anything in its `call`.
        if kind in types:
            return rule
    if is_keras_operation(layer):
        return next((rule for names, rule in _OPERATIONS.items() if kind.__name__ in names), None)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in stamp_registry.names("stamp_tf.channel_rules"):
        return stamp_registry.load("stamp_tf.channel_rules", name)
    return None
