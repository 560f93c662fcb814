"""The plain float32 twin of a model, and what in a model is not plain Keras."""

import copy
from collections.abc import Iterator
from typing import Any

import keras

from stamp_tf.channels.derived_state import derive_state
from stamp_tf.channels.graph import flat_layers


def plain_copy(model: keras.Model) -> keras.Model:
    """Return a model of the same weights that computes in float32 and carries no optimizer.

    Mixed precision is a matter of training; an export has to give the same logits on any device. A model that
    is float32 and was never compiled is returned as it is.

    Args:
        model: A functional model.
    """
    if not getattr(model, "compiled", False) and all(_is_float32(layer) for layer in _layers(model)):
        return model
    return twin_of(model)


def twin_of(model: keras.Model) -> keras.Model:
    """Return a model of the same layers and weights, each its own, that computes in float32; it is not compiled.

    Args:
        model: A functional or sequential model.
    """
    config = copy.deepcopy(model.get_config())
    _set_float32(config)
    # A layer that nobody registered with Keras can be copied here all the same.
    classes = {type(layer).__name__: type(layer) for layer in flat_layers(model)}
    with keras.saving.custom_object_scope(classes):
        twin = model.__class__.from_config(config)
    twin.set_weights(model.get_weights())
    derive_state(twin)
    return twin


def custom_objects(model: keras.Model) -> tuple[str, ...]:
    """Name everything in a model's configuration that Keras alone cannot load in safe mode.

    Args:
        model: Any serialisable model.

    Returns:
        `module.class` of each custom layer, function or Lambda, sorted; empty for a plain model.
    """
    return tuple(sorted(set(_customs(keras.saving.serialize_keras_object(model)))))


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _is_float32(layer: keras.layers.Layer) -> bool:
    return layer.dtype_policy.name == "float32"


def _set_float32(node: Any) -> None:
    """Turn every dtype policy in a Keras configuration into float32."""
    if isinstance(node, dict):
        if str(node.get("class_name", "")).endswith("DTypePolicy"):
            node["config"]["name"] = "float32"
        elif node.get("dtype") in ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16"):
            node["dtype"] = "float32"
    for child in _children(node):
        _set_float32(child)


def _customs(node: Any) -> Iterator[str]:
    """Walk a Keras configuration: every serialised object says which module it comes from."""
    if isinstance(node, dict) and "class_name" in node and isinstance(node.get("module"), str):
        module = node["module"]
        plain = module == "keras" or module.startswith("keras.")
        if not plain or node["class_name"] == "Lambda":
            name = node["config"] if module == "builtins" else node["class_name"]
            yield f"{module}.{name}"
    for child in _children(node):
        yield from _customs(child)


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, (list, tuple)):
        yield from node
