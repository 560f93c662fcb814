"""Recalibrated batch-norm statistics are plain averages over the batches."""

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.training.statistics import Recalibration, recalibrate_statistics

BATCHES = [
    np.random.default_rng(seed).normal(seed, 1 + seed, (6, 4, 4, 3)).astype("float32") for seed in range(3)
]


def network() -> keras.Model:
    inputs = keras.Input((4, 4, 3))
    x = layers.BatchNormalization(momentum=0.9, name="first")(inputs)
    x = layers.Conv2D(5, 3, name="conv")(x)
    return keras.Model(inputs, layers.BatchNormalization(momentum=0.7, name="second")(x))


def test_they_are_the_mean_of_the_batches_own() -> None:
    model = network()
    recalibrate_statistics(model, iter(BATCHES))
    first = model.get_layer("first")
    means = [batch.mean(axis=(0, 1, 2)) for batch in BATCHES]
    variances = [batch.var(axis=(0, 1, 2)) for batch in BATCHES]
    np.testing.assert_allclose(first.moving_mean, np.mean(means, axis=0), rtol=1e-5)
    np.testing.assert_allclose(first.moving_variance, np.mean(variances, axis=0), rtol=1e-5)


def test_later_layers_see_what_training_sees() -> None:
    """Each batch is normalised by its own statistics on the way to the next layer."""
    model = network()
    recalibrate_statistics(model, BATCHES)
    conv = model.get_layer("conv")
    means = []
    for batch in BATCHES:
        normal = (batch - batch.mean(axis=(0, 1, 2))) / np.sqrt(batch.var(axis=(0, 1, 2)) + 1e-3)
        means.append(np.asarray(conv(normal)).mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(model.get_layer("second").moving_mean, np.mean(means, axis=0), atol=1e-5)


def test_what_was_there_before_does_not_matter() -> None:
    model = network()
    recalibrate_statistics(model, BATCHES)
    expected = [weight.numpy() for weight in model.non_trainable_weights]
    for weight in model.non_trainable_weights:
        weight.assign(np.full(weight.shape, 100.0))
    recalibrate_statistics(model, BATCHES)
    for weight, value in zip(model.non_trainable_weights, expected, strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-6)


def test_a_compiled_pass_goes_by_the_weights_of_its_call() -> None:
    model, expected = network(), network()
    recalibrate = Recalibration(model)
    recalibrate(BATCHES)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.3)
    recalibrate(batch[:4] for batch in BATCHES)
    expected.set_weights(model.get_weights())
    recalibrate_statistics(expected, [batch[:4] for batch in BATCHES])
    for ours, theirs in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_momentum_and_weights_stay() -> None:
    model = network()
    before = [weight.numpy() for weight in model.trainable_weights]
    recalibrate_statistics(model, BATCHES)
    assert [model.get_layer(name).momentum for name in ("first", "second")] == [0.9, 0.7]
    for weight, value in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_one_batch_makes_both_modes_agree() -> None:
    model = network()
    recalibrate_statistics(model, BATCHES[:1])
    np.testing.assert_allclose(
        model(BATCHES[0], training=False), model(BATCHES[0], training=True), rtol=1e-3, atol=1e-4
    )


def test_normalisations_inside_a_nested_model_count() -> None:
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, layers.ReLU()(network()(inputs)))
    recalibrate_statistics(model, BATCHES)
    expected = network()
    expected.set_weights(model.layers[1].get_weights())
    recalibrate_statistics(expected, BATCHES)
    for ours, theirs in zip(model.layers[1].get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_normalisations_inside_other_layers_count() -> None:
    wrapped = layers.Pipeline([layers.BatchNormalization(name="inner")])
    model = keras.Sequential([keras.Input((4, 4, 3)), wrapped])
    recalibrate_statistics(model, BATCHES)
    means = [batch.mean(axis=(0, 1, 2)) for batch in BATCHES]
    np.testing.assert_allclose(wrapped.layers[0].moving_mean, np.mean(means, axis=0), rtol=1e-5)


def test_of_no_images_nothing_is_measured() -> None:
    model = network()
    before = model.get_weights()
    recalibrate_statistics(model, [])
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_network_without_normalisation_is_left_alone() -> None:
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 1)(inputs))
    before = model.get_weights()
    recalibrate_statistics(model, BATCHES)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_constant_images_have_finite_statistics() -> None:
    model = network()
    recalibrate_statistics(model, [np.zeros((4, *model.input_shape[1:]), "float32")] * 2)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_statistics_that_are_not_finite_are_refused() -> None:
    model = network()
    before = model.get_weights()
    with pytest.raises(StampError, match=r"must be finite, but .*moving_\w+ holds \d+ of \d+ values"):
        recalibrate_statistics(model, [np.full((4, *model.input_shape[1:]), np.inf, "float32")])
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
