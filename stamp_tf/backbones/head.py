"""The layer that makes a network's logits."""

import keras

from stamp_tf.channels.graph import maker
from stamp_tf.errors import StampError


def head_layer(model: keras.Model) -> keras.layers.Dense:
    """Return the dense layer that makes a network's logits.

    Raises:
        StampError: If something else makes them.
    """
    layer = maker(model.outputs[0])
    if type(layer) is not keras.layers.Dense or getattr(layer.activation, "__name__", "") != "linear":
        raise StampError(
            f"A head is fitted where a network ends in a dense layer without activation, but {model.name} "
            f"ends in {layer.name}; use `head=random`."
        )
    return layer
