"""The parts that every mask generator shares."""

import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.errors import StampError
from stamp_tf.layers.mask_generator import MaskGenerator, relaxed_bernoulli


def test_standardized_gives_every_group_the_same_scale() -> None:
    generator = MaskGenerator([5, 200])
    rng = np.random.default_rng(0)
    pooled = np.concatenate([rng.normal(100, 30, (3, 5)), rng.normal(-1e-1, 1e-2, (3, 200))], axis=1)
    result = np.asarray(generator.standardized(tf.constant(pooled)))
    for part in (result[:, :5], result[:, 5:]):
        np.testing.assert_allclose(part.mean(axis=1), 0, atol=1e-9)
        np.testing.assert_allclose(part.std(axis=1), 1, atol=1e-2)


def test_standardized_bears_groups_without_spread() -> None:
    pooled = tf.constant([[3.0, 0.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(pooled)
        result = MaskGenerator([1, 3]).standardized(pooled)
        loss = tf.reduce_sum(result**2 + result)
    np.testing.assert_array_equal(result, np.zeros((1, 4)))
    assert np.isfinite(tape.gradient(loss, pooled)).all()


@pytest.mark.parametrize("sizes", [[], [3, 0], [-1]])
def test_groups_without_channels_are_refused(sizes: list[int]) -> None:
    with pytest.raises(StampError, match="group_sizes must be positive channel counts, but got"):
        MaskGenerator(sizes)


def test_relaxed_samples_are_one_as_often_as_the_probability_says() -> None:
    probability = np.array([0.02, 0.3, 0.5, 0.9, 0.999])
    logits = np.log(probability) - np.log1p(-probability)
    uniform = np.random.default_rng(0).uniform(size=(100_000, 5))
    samples = np.asarray(relaxed_bernoulli(logits, uniform))
    np.testing.assert_allclose((samples > 0.5).mean(axis=0), probability, atol=0.005)
    assert ((samples >= 0) & (samples <= 1)).all()
    assert ((samples < 0.05) | (samples > 0.95)).mean() > 0.8


def test_a_low_temperature_makes_samples_hard() -> None:
    uniform = np.random.default_rng(0).uniform(size=1000)
    samples = np.asarray(relaxed_bernoulli(np.zeros(1000), uniform, temperature=1e-3))
    assert ((samples < 1e-3) | (samples > 1 - 1e-3)).mean() > 0.95


def test_samples_are_finite_at_the_ends() -> None:
    samples = relaxed_bernoulli(tf.constant([-40.0, 40.0, 0.0]), tf.constant([1.0, 0.0, 1.0]))
    assert np.isfinite(samples).all()
