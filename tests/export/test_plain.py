"""Twins of models."""

import keras
import numpy as np
from keras import layers

from stamp_tf.export.plain import twin_of


def test_a_layer_and_an_operation_of_one_name_are_told_apart() -> None:
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 1)(image)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Add()([image, x + 3.0]))))
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    np.testing.assert_array_equal(twin_of(model)(images), model(images))


def test_a_layer_that_nobody_registered_is_copied() -> None:
    class Twice(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    image = keras.Input((3,))
    model = keras.Model(image, layers.Dense(2)(Twice()(image)))
    assert twin_of(model).output_shape == (None, 2)
