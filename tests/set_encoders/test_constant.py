"""The control: the same pseudo-images for every set, learnt all the same."""

import keras
import numpy as np
from keras import ops

from stamp_tf.set_encoders.constant import Constant


def test_it_does_not_look_at_the_set() -> None:
    encoder = Constant(num_outputs=2)
    rng = np.random.default_rng(0)
    first = encoder(rng.normal(size=(5, 32, 32, 3)).astype("float32"))
    second = encoder(rng.normal(size=(9, 32, 32, 3)).astype("float32"))
    assert tuple(first.shape) == (2, 32, 32, 3)
    np.testing.assert_array_equal(first, second)


def test_its_pixels_are_of_order_one_and_differ() -> None:
    keras.utils.set_random_seed(0)
    pixels = ops.convert_to_numpy(Constant(num_outputs=2)(np.zeros((1, 32, 32, 3), "float32")))
    assert 0.3 < pixels.std() < 3
    assert np.abs(pixels[0] - pixels[1]).mean() > 0.3


def test_it_is_learnt_and_rebuilt() -> None:
    encoder = Constant(num_outputs=3, width=8)
    encoder.build((None, 8, 8, 1))
    assert any(variable.shape == (3, 8) for variable in encoder.trainable_variables)
    twin = Constant.from_config(encoder.get_config())
    twin.build((None, 8, 8, 1))
    twin.set_weights(encoder.get_weights())
    images = np.zeros((1, 8, 8, 1), "float32")
    np.testing.assert_array_equal(encoder(images), twin(images))
