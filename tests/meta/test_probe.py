"""What the probe sees of each channel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from stamp_tf.channels import trace_channels
from stamp_tf.channels.probe import Probe

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype("float32")


def look(model: keras.Model, images: np.ndarray = IMAGES) -> np.ndarray:
    probe = Probe(model, trace_channels(model))
    return np.asarray(
        probe(
            [variable.value for variable in model.trainable_variables],
            [variable.value for variable in model.non_trainable_variables],
            images,
        )
    )


def means(model: keras.Model, *names: str) -> np.ndarray:
    outputs = [model.get_layer(name).output for name in names]
    seen = keras.tree.flatten(keras.Model(model.input, outputs)(IMAGES, training=False))
    values = [np.asarray(value) for value in seen]
    return np.concatenate([v.mean(axis=(1, 2)) if v.ndim == 4 else v for v in values], axis=1)


def test_it_sees_spatial_means_where_kernels_read(make_objective) -> None:
    model = make_objective().model
    model.get_layer("norm1").moving_mean.assign([0.1, -0.2, 0.3, 0.4])
    np.testing.assert_allclose(look(model), means(model, "half", "pool"), rtol=1e-5, atol=1e-6)


def test_channels_come_in_their_own_order() -> None:
    """Groups are numbered by producer; a concatenation shows two of them in one tensor, the later one first."""
    inputs = keras.Input((8, 8, 3))
    first = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    second = layers.Conv2D(2, 3, padding="same", name="b")(first)
    joined = layers.ReLU(name="joined")(layers.Concatenate()([second, first]))
    third = layers.Conv2D(3, 1, name="c")(joined)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D(name="pool")(third)))
    assert [group.name for group in trace_channels(model).groups] == ["a", "b", "c"]
    expected = np.concatenate(
        [means(model, "a"), means(model, "joined")[:, :2], means(model, "pool")], axis=1
    )
    np.testing.assert_allclose(look(model), expected, rtol=1e-5, atol=1e-6)


def test_dense_networks_have_no_positions() -> None:
    inputs = keras.Input((5,))
    x = layers.Dense(4, activation="relu", name="a")(inputs)
    x = layers.Dense(3, activation="tanh", name="b")(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    images = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    hidden = keras.Model(inputs, [model.get_layer("a").output, model.get_layer("b").output])(images)
    np.testing.assert_allclose(look(model, images), np.concatenate(hidden, axis=1), rtol=1e-6)


def test_it_takes_weights_as_values(make_objective) -> None:
    model = make_objective().model
    probe = Probe(model, trace_channels(model))
    weights = [variable.value for variable in model.trainable_variables]
    statistics = [variable.value for variable in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        seen = tf.reduce_sum(probe(weights, statistics, IMAGES) ** 2)
    gradients = tape.gradient(seen, weights)
    used = [
        variable.path
        for variable, g in zip(model.trainable_variables, gradients, strict=True)
        if g is not None
    ]
    assert used == [variable.path for variable in model.trainable_variables if "logits" not in variable.path]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_means_are_taken_in_single_precision(policy: str) -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, dtype=policy, name="a")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D(dtype="float32")(x)))
    assert look(model).dtype == np.float32
