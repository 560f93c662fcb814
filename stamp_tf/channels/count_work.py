"""Count the multiply-adds of any call, wrappers and models within layers included; what is unknown is said to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from stamp_tf.channels.graph import graph_of, is_keras_operation
from stamp_tf.channels.leaf_calls import LeafCall, Shape, calls_at, num_numbers
from stamp_tf.channels.no_products import makes_no_products
from stamp_tf.channels.work import NOTHING, UNKNOWN, Rule, Work, shapes_of
from stamp_tf.channels.work_layers import LAYER_RULES
from stamp_tf.channels.work_operations import OPERATION_RULES


def work_of(call: LeafCall) -> Work:
    """Return what a call computes for one image, a fixed batch shared out.

    Args:
        call: Its open sizes count as 1.
    """
    found = count_work(call.layer, call.arguments, call.output_shapes)
    if call.batch == 1:
        return found
    kernels = {key: uses // call.batch for key, uses in found.kernels.items()}
    return Work(kernels, found.products // call.batch, found.is_whole)


def count_work(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Return what a layer or operation computes.

    Args:
        operation: The layer, operation or model.
        arguments: What it is called on, by name.
        outputs: Shapes of what it writes.
    """
    if (graph := graph_of(operation)) is not None:
        tensors = [
            each for each in keras.tree.flatten(dict(arguments)) if isinstance(each, keras.KerasTensor)
        ]
        known = {id(own): tensor for own, tensor in zip(graph.inputs, tensors, strict=False)}
        return sum((work_of(call) for call in calls_at(graph, known)), NOTHING)
    if makes_no_products(operation):
        return NOTHING
    kind: Any = type(operation)
    if not isinstance(operation, keras.Layer):
        rule = OPERATION_RULES.get(kind.__name__) if is_keras_operation(operation) else None
        return rule(operation, arguments, outputs) if rule else UNKNOWN
    for base in kind.__mro__:
        if found := WRAPPER_RULES.get(base) or LAYER_RULES.get(base):
            # A subclass may compute anything in a `call` of its own.
            return found(operation, arguments, outputs) if kind.call is base.call else UNKNOWN
    return UNKNOWN


def _time_distributed(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Call the layer once a step."""
    shape = shapes_of(arguments)[0]
    return _alone(layer.layer, (shape[0], *shape[2:])).times(num_numbers(shape[1:2]))


def _bidirectional(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Call two layers on one sequence."""
    shape = shapes_of(arguments)[0]
    return _alone(layer.forward_layer, shape) + _alone(layer.backward_layer, shape)


def _spectral_normalization(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Call the layer; the power iteration is for training."""
    return _alone(layer.layer, shapes_of(arguments)[0])


def _alone(layer: Any, shape: Shape) -> Work:
    """Return what a layer within another one computes on one tensor."""
    tensor = keras.KerasTensor(shape, keras.config.floatx())
    outputs = shapes_of(layer.compute_output_spec(tensor))
    return count_work(layer, {"inputs": tensor}, outputs)


WRAPPER_RULES: dict[type, Rule] = {
    layers.TimeDistributed: _time_distributed,
    layers.Bidirectional: _bidirectional,
    layers.SpectralNormalization: _spectral_normalization,
}
