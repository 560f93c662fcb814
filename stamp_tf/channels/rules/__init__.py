"""How each kind of layer treats channels: which rule holds. What has no rule is kept whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import layers

import stamp_registry
from stamp_tf.channels.call import Call
from stamp_tf.channels.rules import kernels, shapes, vectors
from stamp_tf.errors import StampError

Rule = Callable[[Call], str | None]

_RULES: dict[tuple[type, ...], Rule] = {
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
    (layers.Softmax,): shapes.softmax,
    (layers.Flatten,): shapes.flatten,
    (layers.Reshape,): shapes.reshape,
    (layers.Permute,): shapes.permute,
    (layers.Concatenate,): shapes.concatenate,
    (
        *(layers.Add, layers.Multiply, layers.Subtract),
        *(layers.Average, layers.Maximum, layers.Minimum),
    ): shapes.merge,
    (
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
        *(layers.Resizing, layers.RepeatVector),
    ): shapes.keep,
}
# Functions of keras.ops that a graph may hold without a layer, e.g. from `x + y`.
_OPERATIONS: dict[tuple[str, ...], Rule] = {
    (
        *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Sigmoid", "HardSigmoid", "HardSilu"),
        *("Tanh", "Softplus", "Softsign", "Absolute", "Negative", "Square", "Sqrt", "Exp", "Identity"),
        *("Celu", "Mish", "HardTanh", "Clip", "Cast", "MaxPool", "AveragePool"),
    ): shapes.keep,
    (
        *("Add", "Multiply", "Subtract", "Maximum", "Minimum"),
        *("Divide", "TrueDivide", "Power"),
    ): shapes.merge,
    ("Mean", "Max", "Min", "Sum"): shapes.reduce,
    ("Reshape",): shapes.reshape,
    ("Transpose",): shapes.transpose,
    ("Concatenate",): shapes.concatenate,
    ("Split",): shapes.split,
    ("Pad",): shapes.pad,
}


def apply_rule(call: Call) -> None:
    """Record what one call does to its channels; where no rule can tell, forbid their removal.

    Args:
        call: The call.
    """
    try:
        rule = rule_of(call.layer)
        reason = f"no rule for {type(call.layer).__name__}"
    except stamp_registry.RegistryError as error:
        rule, reason = None, str(error)
    if getattr(call.layer, "data_format", "channels_last") == "channels_first":
        rule, reason = None, "its channels come first"
    elif path := call.ambiguous_path():
        rule, reason = None, f"another weight has the path {path}, too"
    if rule is not None:
        try:
            refusal = rule(call)
        except Exception as error:
            # What it said so far cannot be taken back.
            raise StampError(
                f"The channel rule of {call.path} ({type(call.layer).__name__}) must not fail, but raised "
                f"{type(error).__name__}: {error}; mend or uninstall the package that brings it."
            ) from error
        if refusal is None and call.is_complete:
            return
        reason = refusal or "its rule does not say what it writes"
    call.keep_whole(reason)


def rule_of(layer: Any) -> Rule | None:
    """Return the rule of a layer or operation, which records a call or returns the reason why it cannot.

    Args:
        layer: The layer or operation.

    Raises:
        RegistryError: If a plug-in's rule cannot be loaded.
    """
    kind = type(layer)
    for types, rule in _RULES.items():
        # The exact class: a subclass may do anything in its `call`.
        if kind in types:
            return rule
    if kind.__module__.startswith("keras.src.ops"):
        return next((rule for names, rule in _OPERATIONS.items() if kind.__name__ in names), None)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in stamp_registry.names("stamp_tf.channel_rules"):
        return stamp_registry.load("stamp_tf.channel_rules", name)
    return None
