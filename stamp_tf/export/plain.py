"""The plain float32 twin of a model, and what in a model is not plain Keras."""

import copy
from collections.abc import Iterator
from typing import Any

import keras

from stamp_tf.channels.configuration import dictionaries_within, objects_within
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.channels.graph import flat_layers, layers_within


def plain_copy(model: keras.Model) -> keras.Model:
    """Return a model of the same weights that computes in float32 and carries no optimizer.

    Mixed precision is a matter of training; an export has to give the same logits on any device. A model that
    is float32 and was never compiled is returned as it is.

    Args:
        model: A functional model.
    """
    if not getattr(model, "compiled", False) and all(_is_float32(layer) for layer in layers_within(model)):
        return model
    return twin_of(model)


def twin_of(model: keras.Model) -> keras.Model:
    """Return a model of the same layers and weights, each its own, that computes in float32; it is not compiled.

    Args:
        model: A functional or sequential model.
    """
    config = copy.deepcopy(model.get_config())
    _set_float32(config)
    # A layer that nobody registered with Keras can be copied here all the same. Keras finds its own, and would take the
    # layer Add for the operation of that name.
    kinds = {type(layer) for layer in flat_layers(model)}
    classes = {
        kind.__name__: kind for kind in kinds if getattr(keras.layers, kind.__name__, None) is not kind
    }
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


def _is_float32(layer: keras.layers.Layer) -> bool:
    return layer.dtype_policy.name == "float32"


def _set_float32(config: Any) -> None:
    """Turn every dtype policy in a Keras configuration into float32."""
    for one in dictionaries_within(config):
        if str(one.get("class_name", "")).endswith("DTypePolicy"):
            one["config"]["name"] = "float32"
        elif one.get("dtype") in ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16"):
            one["dtype"] = "float32"


def _customs(config: Any) -> Iterator[str]:
    """Yield what is not of Keras: every serialised object says which module it comes from."""
    for one in objects_within(config):
        module, name = one.get("module"), one["class_name"]
        if module is None or (f"{module}.".startswith("keras.") and name != "Lambda"):
            continue
        yield f"{module}.{one['config'] if module == 'builtins' else name}"
