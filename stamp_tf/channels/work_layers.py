"""Which layers multiply and add, and how often."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras import layers

from stamp_tf.channels.einsum import einsum_products
from stamp_tf.channels.leaf_calls import Shape, num_numbers
from stamp_tf.channels.no_products import is_elementwise
from stamp_tf.channels.work import NOTHING, UNKNOWN, Rule, Work, places, shapes_of

_CELLS = (layers.SimpleRNNCell, layers.GRUCell, layers.LSTMCell)


def dense(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply the kernel at every place that is read."""
    return _of_kernels(layer, num_numbers(shapes_of(arguments)[0][:-1]))


def convolution(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply the kernels at every place that is written."""
    return _of_kernels(layer, places(outputs[0], layer.data_format))


def transposed(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply the kernel at every place that is read."""
    return _of_kernels(layer, places(shapes_of(arguments)[0], layer.data_format))


def einsum_dense(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply the kernel as its equation says."""
    return einsum_work(layer, shapes_of(arguments)[0]) if _is_plain(layer) else UNKNOWN


def reversible_embedding(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Look up, or multiply by the same table."""
    if not arguments.get("reverse"):
        return NOTHING
    if getattr(layer, "quantization_mode", None):
        return UNKNOWN
    table = layer.embeddings if layer.tie_weights else layer.reverse_embeddings
    return Work({id(table): num_numbers(shapes_of(arguments)[0][:-1])})


def dot(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Sum over one axis of two tensors."""
    axis = layer.axes if isinstance(layer.axes, int) else layer.axes[0]
    return Work(products=num_numbers(outputs[0]) * (shapes_of(arguments)[0][axis] or 1))


def attention(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Compare queries `[B, queries, depth]` with keys by products, or by a weighted sum, and average the values."""
    query, value, *_key = shapes_of(arguments["inputs"])
    pairs = num_numbers((*query[:-1], value[-2]))
    compares = layer.use_scale if isinstance(layer, layers.AdditiveAttention) else layer.score_mode == "dot"
    return Work(products=pairs * (num_numbers(query[-1:]) * compares + num_numbers(value[-1:])))


def multi_head_attention(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Project, compare each query with each key over the axes of attention, average the values, project back."""
    query, key, value = _query_key_value(arguments)
    seen = num_numbers(tuple(key[axis] for axis in layer._attention_axes))
    pairs = num_numbers(query[:-1]) * seen * layer._num_heads
    heads = (*query[:-1], layer._num_heads, layer._value_dim)
    return _projected(layer, query, key=key, value=value, heads=heads) + Work(
        products=pairs * (layer._key_dim + layer._value_dim)
    )


def grouped_query_attention(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """The same with fewer keys and values than queries."""
    query, key, value = _query_key_value(arguments)
    pairs = num_numbers((*query[:-1], key[1])) * layer.num_query_heads
    heads = (*query[:-1], layer.num_query_heads, layer.head_dim)
    return _projected(layer, query, key=key, value=value, heads=heads) + Work(
        products=2 * pairs * layer.head_dim
    )


def recurrent(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply every kernel of the cells once a step."""
    steps = num_numbers(shapes_of(arguments)[0][:2])
    cells = layer.cell.cells if type(layer.cell) is layers.StackedRNNCells else [layer.cell]
    found = Work()
    for cell in cells:
        known = type(cell) in _CELLS
        # Not all matrices: a GRU has two rows of biases.
        found += Work({id(cell.kernel): steps, id(cell.recurrent_kernel): steps}) if known else UNKNOWN
    return found


def recurrent_convolution(layer: Any, arguments: Mapping[str, Any], outputs: Sequence[Shape]) -> Work:
    """Apply both kernels of the cell once a step, at every place of its state."""
    shape = shapes_of(arguments)[0]
    state = layer.compute_output_shape(shape)
    state = state[0] if isinstance(state, list) else state
    if layer.return_sequences:
        state = (state[0], *state[2:])
    return _kernels(layer.cell, places(state, layer.cell.data_format) * num_numbers(shape[1:2]))


def einsum_work(layer: Any, shape: Shape) -> Work:
    """Return the work of an `EinsumDense` on one tensor.

    Args:
        layer: The layer.
        shape: Of the tensor.
    """
    products = einsum_products(layer.equation, [shape, tuple(layer.kernel.shape)]) or 0
    return Work({id(layer.kernel): products // num_numbers(tuple(layer.kernel.shape))})


def _projected(layer: Any, query: Shape, *, key: Shape, value: Shape, heads: Shape) -> Work:
    parts = [(layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value)]
    if getattr(layer, "_gate_dense", None) is not None:
        parts.append((layer._gate_dense, query))
    return sum((einsum_work(part, shape) for part, shape in [*parts, (layer._output_dense, heads)]), NOTHING)


def _query_key_value(arguments: Mapping[str, Any]) -> tuple[Shape, Shape, Shape]:
    query, value = (tuple(arguments[name].shape) for name in ("query", "value"))
    key = arguments.get("key")
    return query, value if key is None else tuple(key.shape), value


def _of_kernels(layer: Any, number: int) -> Work:
    return _kernels(layer, number) if _is_plain(layer) else UNKNOWN


def _kernels(layer: Any, number: int) -> Work:
    return Work({id(weight): number for weight in layer.weights if len(weight.shape) > 1})


def _is_plain(layer: Any) -> bool:
    """Return whether a layer is neither quantised nor adapted, and its activation one of Keras's."""
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return False
    return layer.activation is None or is_elementwise(layer.activation)


LAYER_RULES: dict[type, Rule] = {
    layers.Dense: dense,
    layers.EinsumDense: einsum_dense,
    layers.ReversibleEmbedding: reversible_embedding,
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), convolution),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), convolution),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), convolution),
    **dict.fromkeys((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), transposed),
    layers.Dot: dot,
    **dict.fromkeys((layers.Attention, layers.AdditiveAttention), attention),
    layers.MultiHeadAttention: multi_head_attention,
    layers.GroupQueryAttention: grouped_query_attention,
    **dict.fromkeys((layers.SimpleRNN, layers.GRU, layers.LSTM, layers.RNN), recurrent),
    **dict.fromkeys((layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D), recurrent_convolution),
}
"""Layer -> its multiply-adds."""
