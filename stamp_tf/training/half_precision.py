"""A twin of a network that computes in bfloat16."""

from __future__ import annotations

from typing import Any

import keras

from stamp_tf.channels.graph import maker
from stamp_tf.references.transfer import transfer_weights


def in_bfloat16(model: keras.Model) -> keras.Model:
    """Return a twin that computes in bfloat16 and keeps its head and its variables in float32.

    Args:
        model: A functional network of logits; it is not changed.
    """
    head = maker(model.outputs[0])

    def half(layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):
            # An operation computes in the type of what it is given.
            return layer
        config = layer.get_config()
        if layer is not head and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    twin = keras.models.clone_model(model, clone_function=half)
    transfer_weights(model, twin)
    return twin
