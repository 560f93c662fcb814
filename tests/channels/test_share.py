"""The share of a network that can be pruned, counted by hand."""

import keras
import pytest
from keras import layers

from stamp_tf.channels import trace_channels
from stamp_tf.channels.share import prunable_share


def test_kernels_count_that_make_or_read_removable_channels(classify) -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.Conv2D(4, 3, name="free")(x)  # 3 * 3 * 3 * 4 = 108
        x = layers.Conv2D(5, 1, name="reader")(x)  # 4 * 5 = 20, read along a group's axis
        x = layers.LayerNormalization()(x)  # keeps the five channels of `reader`
        return layers.Conv2D(6, 1, activation="softmax", name="whole")(x)  # 5 * 6 = 30, neither

    model = classify(body)  # ends in 6 * 3 = 18, neither
    assert prunable_share(model, trace_channels(model)) == pytest.approx((108 + 20) / (108 + 20 + 30 + 18))


def test_models_within_the_model_count(classify) -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Conv2D(5, 3)], name="inner")
    model = classify(inner)
    assert prunable_share(model, trace_channels(model)) == 1.0


def test_a_network_without_kernels_has_no_share() -> None:
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(image))
    assert prunable_share(model, trace_channels(model)) == 0.0
