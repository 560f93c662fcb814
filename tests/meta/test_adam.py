"""Functional Adam against one written by hand and against Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.meta.adam import adam_step

pytestmark = pytest.mark.usefixtures("float64")
RATES = [1e-2, 3e-4]
NUM_STEPS = 7


def gradients(step: int) -> list[np.ndarray]:
    rng = np.random.default_rng(step)
    return [rng.normal(size=(3, 4)), 1e-4 * rng.normal(size=5)]


def start() -> list[np.ndarray]:
    rng = np.random.default_rng(99)
    return [rng.normal(size=(3, 4)), rng.normal(size=5)]


def ours() -> list[np.ndarray]:
    values = [tf.constant(value) for value in start()]
    means = [tf.zeros_like(value) for value in values]
    squares = [tf.zeros_like(value) for value in values]
    for step in range(NUM_STEPS):
        values, means, squares = adam_step(
            values, gradients(step), means=means, squares=squares, step=step, rates=RATES
        )
    return [value.numpy() for value in values]


def test_it_equals_adam_written_by_hand() -> None:
    for index, (rate, value) in enumerate(zip(RATES, start(), strict=True)):
        mean, square = np.zeros_like(value), np.zeros_like(value)
        for step in range(1, NUM_STEPS + 1):
            gradient = gradients(step - 1)[index]
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            size = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            value = value - size * mean / (np.sqrt(square) + 1e-7)
        np.testing.assert_allclose(ours()[index], value, rtol=1e-12)


def test_it_equals_keras() -> None:
    for index, (rate, value) in enumerate(zip(RATES, start(), strict=True)):
        variable = keras.Variable(value, dtype="float64")
        optimizer = keras.optimizers.Adam(rate)
        for step in range(NUM_STEPS):
            optimizer.apply([tf.constant(gradients(step)[index])], [variable])
        # Keras takes its decays in single precision.
        np.testing.assert_allclose(ours()[index], variable.numpy(), rtol=1e-4)


def test_the_step_may_be_a_tensor_of_the_graph() -> None:
    values = [tf.constant(value) for value in start()]
    zeros = [tf.zeros_like(value) for value in values]
    compiled = tf.function(
        lambda step: adam_step(values, gradients(0), means=zeros, squares=zeros, step=step, rates=RATES)[0]
    )
    expected = adam_step(values, gradients(0), means=zeros, squares=zeros, step=4, rates=RATES)[0]
    for one, other in zip(compiled(tf.constant(4)), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
