"""A head that is a convolution of one pixel, as a dense layer, which can be fitted and can get other classes."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from stamp_tf.channels.graph import call_of, calls, functional_graph, input_structure, maker

_FLATTENING = (layers.Flatten, layers.Reshape, layers.GlobalAveragePooling2D)


def with_dense_head(model: keras.Model) -> keras.Model:
    """Return a network that ends in a dense layer where it ended in a convolution of one pixel that does the same.

    It is the same where the convolution sees a single pixel, as behind pooling, or where its outputs are averaged, for
    the average may as well be taken before.

    Args:
        model: A network of logits `[B, classes]`; it is not changed.

    Returns:
        A model that shares all layers but the last one, or the model itself where it ends in something else.
    """
    tensor, is_averaged = model.outputs[0], False
    while isinstance(maker(tensor), _FLATTENING) and _is_moved(tensor):
        is_averaged = is_averaged or isinstance(maker(tensor), layers.GlobalAveragePooling2D)
        tensor = call_of(tensor).input_tensors[0]
    head = maker(tensor)
    if tensor is model.outputs[0] or not _is_of_one_pixel(head) or _num_calls(model, head) != 1:
        return model
    source, name = call_of(tensor).input_tensors[0], f"{head.name}_features"
    if tuple(source.shape[1:3]) == (1, 1):
        features = layers.Flatten(name=name)(source)
    elif is_averaged:
        features = layers.GlobalAveragePooling2D(name=name)(source)
    else:
        return model
    dense = layers.Dense(head.filters, use_bias=head.use_bias, name=head.name)
    logits = dense(features)
    kernel, *bias = head.get_weights()
    dense.set_weights([kernel.reshape(kernel.shape[-2:]), *bias])
    return keras.Model(input_structure(functional_graph(model)), logits, name=model.name)


def _is_moved(tensor: Any) -> bool:
    """Return whether a layer keeps the order of the logits of one pixel, or averages pixels."""
    layer, before = maker(tensor), call_of(tensor).input_tensors[0]
    return isinstance(layer, layers.GlobalAveragePooling2D) or before.shape[-1] == tensor.shape[-1]


def _is_of_one_pixel(layer: Any) -> bool:
    return (
        type(layer) is layers.Conv2D
        and set(layer.kernel_size) == set(layer.strides) == {1}
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and layer.activation is keras.activations.linear
    )


def _num_calls(model: keras.Model, layer: Any) -> int:
    return sum(node.operation is layer for node in calls(functional_graph(model)))
