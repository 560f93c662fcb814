"""A dense layer that loses channels behind a layer that must not change."""

import keras
import numpy as np
from keras import layers, ops

import stamp_tf

Tensor = keras.KerasTensor


def tail(x: Tensor) -> Tensor:
    """Two dense layers behind anything, the first of which loses channels."""
    x = layers.Flatten()(x) if len(x.shape) > 2 else x
    return layers.Dense(2, name="end")(layers.Dense(5, name="lost")(x))


def halves(model: keras.Model) -> keras.Model:
    return stamp_tf.remove_channels(model, {"lost": [1, 0, 1, 1, 0]})


def assert_same_before(model: keras.Model, smaller: keras.Model, layer: str, data: object) -> None:
    """Compare what a layer writes in both."""
    looks = [keras.Model(one.inputs[0], one.get_layer(layer).output) for one in (model, smaller)]
    ours, theirs = (np.asarray(ops.convert_to_numpy(look(data))) for look in looks)
    np.testing.assert_array_equal(theirs, ours)
