"""What a layer derives from its weights and computes with: it has to follow when weights are set from outside."""

import keras

from stamp_tf.channels.graph import flat_layers


def derive_state(model: keras.Model) -> None:
    """Let every `Normalization` compute with the mean and variance that its weights hold.

    Keras derives them when a layer is adapted or loaded, but not when its weights are assigned; the layer would go
    on with a mean of 0 and a variance of 1.

    Args:
        model: A model whose weights were just set.
    """
    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
