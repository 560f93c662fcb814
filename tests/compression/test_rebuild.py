"""The network in tf_keras is the same network, or the layer that keeps it from that is named."""

import keras
import numpy as np
import pytest

from stamp_tf.errors import StampError


@pytest.fixture
def odd_network() -> keras.Model:
    """Layers and operations of many kinds: a model within, a parameter-free shortcut, grouped filters."""
    layers, ops = keras.layers, keras.ops
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(2.0, -0.5)(image)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, kernel_regularizer="l2")(x)
    x = layers.BatchNormalization(
        moving_mean_initializer="random_normal", gamma_initializer="random_uniform"
    )(x)
    x = layers.ReLU(6.0)(x)
    inner = keras.Sequential(
        [keras.Input((8, 8, 8)), layers.DepthwiseConv2D(3, padding="same"), layers.LeakyReLU(0.1)]
    )
    y = ops.relu(layers.Conv2D(8, 1, groups=2)(inner(x)))
    x = ops.pad(x[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [2, 2]]) + layers.SeparableConv2D(
        12, 3, 2, padding="same"
    )(y)
    x = layers.Concatenate()([x, layers.MaxPooling2D()(y)])
    x = layers.Dropout(0.5)(layers.Activation("swish")(x))
    x = layers.Flatten()(x) * 0.5
    return keras.Model(image, layers.Dense(4, name="head")(x), name="odd")


def test_outputs_are_the_same_to_a_millionth(odd_network: keras.Model) -> None:
    from stamp_tf.compression.rebuild import TOLERANCE, rebuild, require_equal

    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    assert require_equal(odd_network, rebuild(odd_network), images) <= TOLERANCE == 1e-6


def test_another_network_is_refused(residual_network: keras.Model) -> None:
    from stamp_tf.compression.rebuild import rebuild, require_equal

    rebuilt = rebuild(residual_network)
    head = residual_network.get_layer("head")
    head.kernel.assign(head.kernel * 1.00001)
    images = np.ones((2, 8, 8, 3), "float32")
    with pytest.raises(
        StampError, match=r"^--compress needs a network that tf_keras computes alike, to 1e-06"
    ):
        require_equal(residual_network, rebuilt, images)


@keras.saving.register_keras_serializable("tests")
class Doubling(keras.layers.Layer):
    """No layer of tf_keras."""

    def call(self, inputs):
        return 2 * inputs


@pytest.mark.parametrize("layer", [Doubling(name="mine"), keras.layers.RMSNormalization(name="mine")])
def test_a_layer_that_tf_keras_lacks_is_named(layer: keras.layers.Layer) -> None:
    from stamp_tf.compression.rebuild import rebuild

    image = keras.Input((4, 4, 2))
    model = keras.Model(image, keras.layers.Flatten()(layer(image)))
    with pytest.raises(
        StampError, match=rf"^--compress needs layers .*, but mine \({type(layer).__name__}\) is none; "
    ):
        rebuild(model)
