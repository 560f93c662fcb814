"""Multiply-adds of a network as TensorFlow's own profiler counts them, to hold `CostModel` against."""

import math
from unittest import mock

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

KERNEL_OPERATIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2")


def profiled_flops(model: keras.Model) -> int:
    """Return the multiply-adds for one image of a network of fixed size.

    The network is frozen to a graph of batch size 1, and the profiler's statistics of convolutions, depthwise
    convolutions and matrix products are added up; it counts a multiply-add as two operations. Sums of products in
    Einstein's notation, which it leaves out, are added.

    Args:
        model: From one image; without transposed convolutions and recurrent layers, of which the profiler knows
            nothing.

    Raises:
        ValueError: If the profiler has no figure for a kernel.
    """
    tensor = model.inputs[0]
    function = tf.function(lambda image: model(image, training=False), autograph=False)
    # Keras hides grouped convolutions in a compiled function, where the profiler does not look.
    with mock.patch.object(tf, "function", return_value=lambda body: body):
        concrete = function.get_concrete_function(tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype))
    graph = convert_variables_to_constants_v2(concrete).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    # The view by operation is a chain: each kind of operation is the child of the one before.
    kind = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    total = 0
    while kind.children:
        kind = kind.children[0]
        total += kind.float_ops * (kind.name in KERNEL_OPERATIONS)
    uncounted = [
        operation.name
        for operation in graph.get_operations()
        if operation.type in KERNEL_OPERATIONS and not operation.outputs[0].shape.is_fully_defined()
    ]
    if uncounted:
        raise ValueError(f"The profiler needs fixed sizes, but those of {uncounted} are open.")
    return total // 2 + sum(_of_einsum(each) for each in graph.get_operations() if each.type == "Einsum")


def _of_einsum(operation: tf.Operation) -> int:
    """Return the combinations of all indices, which the profiler does not count."""
    terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, operation.inputs, strict=True):
        sizes.update(zip(term, tensor.shape.as_list(), strict=True))
    return math.prod(sizes.values())
