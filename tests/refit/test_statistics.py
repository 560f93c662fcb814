"""Statistics that are right for a refitted network, and change nothing of what it computes."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.refit.statistics import settle_statistics
from stamp_tf.refit.walk import Network

COUNT = 48


def images(*, shape: tuple[int, ...] = (6, 6, 3), offset: float = 0.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0.5 + offset, 1.0, (COUNT, *shape)).astype("float32")


def settled(model: keras.Model, values: np.ndarray, *, size: int = 20) -> keras.Model:
    """Batches are of different sizes: 20, 20 and 8."""

    def batches() -> Iterator[np.ndarray]:
        return (values[start : start + size] for start in range(0, COUNT, size))

    settle_statistics(Network(model), batches)
    return model


def network(**options: object) -> keras.Model:
    """Two batch normalisations, one called twice, all with statistics that are somebody else's."""
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(5, 3, padding="same", name="conv")(image)
    norm = layers.BatchNormalization(name="norm", **options)
    x = layers.Conv2D(5, 3, padding="same", name="conv2")(layers.ReLU()(norm(x)))
    x = layers.ReLU()(norm(x))
    x = layers.BatchNormalization(name="last", **options)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, layers.Dense(2)(x))
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if any(name in weight.path for name in ("gamma", "beta", "moving")):
            weight.assign(rng.uniform(0.3, 2.0, weight.shape))
    return model


def test_outputs_stay_and_batches_give_the_same() -> None:
    model, values = network(), images()
    before = np.asarray(model(values))
    settled(model, values)
    np.testing.assert_allclose(model(values), before, atol=1e-4)
    last, features = model.get_layer("last"), keras.Model(model.input, model.get_layer("last").input)(values)
    np.testing.assert_allclose(last(features, training=True), last(features), atol=1e-4)


def test_statistics_are_those_of_all_that_is_read() -> None:
    model, values = network(), images()
    settled(model, values)
    read = [
        np.asarray(keras.Model(model.input, model.get_layer(name).output)(values))
        for name in ("conv", "conv2")
    ]
    both = np.concatenate(read).astype("float64")
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, both.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, both.var(axis=(0, 1, 2)), rtol=1e-4)


def test_large_means_leave_variances_right() -> None:
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.BatchNormalization(name="norm")(image))
    values = images(offset=3000.0)
    settled(model, values)
    expected = values.astype("float64").var(axis=(0, 1, 2))
    np.testing.assert_allclose(model.get_layer("norm").moving_variance, expected, rtol=1e-2)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"trainable": False}])
def test_what_cannot_make_up_for_statistics_or_never_uses_others_keeps_them(options: dict[str, bool]) -> None:
    model, values = network(**options), images()
    before = model.get_weights()
    settled(model, values)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_channels_may_come_first() -> None:
    image = keras.Input((3, 6, 5))
    model = keras.Model(image, layers.BatchNormalization(axis=1, name="norm")(image))
    values = images(shape=(3, 6, 5))
    before = np.asarray(model(values))
    settled(model, values)
    np.testing.assert_allclose(model.get_layer("norm").moving_mean, values.mean(axis=(0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(model(values), before, atol=1e-4)
