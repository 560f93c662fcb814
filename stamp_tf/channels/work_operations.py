"""Which functions of `keras.ops` multiply and add, and how often."""

from collections.abc import Mapping, Sequence
from typing import Any

from stamp_tf.channels.einsum import einsum_products
from stamp_tf.channels.leaf_calls import Shape, num_numbers
from stamp_tf.channels.work import UNKNOWN, Rule, Work, places, shapes_of


def _last_axis(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Sum over the last axis of the first tensor: matmul, dot, inner."""
    first = shapes_of(arguments["x1"])
    contracted = first[0][-1] if first and first[0] else None
    second = shapes_of(arguments["x2"])
    if contracted is None and first and first[0] and second and second[0]:
        contracted = second[0][-1 if type(operation).__name__ == "Inner" else max(-2, -len(second[0]))]
    if not (first and first[0] and second and second[0]):
        return Work()  # A number times a tensor.
    return Work(products=num_numbers(outputs[0]) * (contracted or 1))


def _vdot(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    return Work(products=num_numbers(shapes_of(arguments["x1"])[0]))


def _tensordot(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    shape, axes = shapes_of(arguments["x1"])[0], operation.axes
    if isinstance(axes, int):
        summed = shape[len(shape) - axes :]
    else:
        first = axes[0] if isinstance(axes[0], Sequence) else [axes[0]]
        summed = tuple(shape[axis] for axis in first)
    return Work(products=num_numbers(outputs[0]) * num_numbers(summed))


def _einsum(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    products = einsum_products(operation.subscripts, shapes_of(arguments["operands"]))
    return UNKNOWN if products is None else Work(products=products)


def _convolution(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply every kernel once for each place that is written."""
    number = sum(
        num_numbers(shape)
        for name, value in arguments.items()
        if "kernel" in name
        for shape in shapes_of([value])
    )
    return Work(products=number * places(outputs[0], operation.data_format))


def _transposed(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply the kernel once for each place that is read."""
    kernel = num_numbers(shapes_of([arguments["kernel"]])[0])
    return Work(products=kernel * places(shapes_of([arguments["inputs"]])[0], operation.data_format))


def _attention(operation: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Compare every query `[B, queries, heads, depth]` with every key `[B, keys, ...]`, and average the values."""
    query, key, value = (shapes_of([arguments[name]])[0] for name in ("query", "key", "value"))
    pairs = num_numbers((*query[:3], key[1]))
    return Work(products=pairs * (num_numbers(query[3:]) + num_numbers(value[3:])))


OPERATION_RULES: dict[str, Rule] = {
    **dict.fromkeys(("Matmul", "Dot", "Inner"), _last_axis),
    "Vdot": _vdot,
    "Tensordot": _tensordot,
    "Einsum": _einsum,
    **dict.fromkeys(("Conv", "DepthwiseConv", "SeparableConv"), _convolution),
    "ConvTranspose": _transposed,
    "DotProductAttention": _attention,
}
"""Class of a function of `keras.ops` -> its multiply-adds."""
