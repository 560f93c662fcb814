"""Scores that the set shifts."""

import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.layers.score_generator import ScoreGenerator


@pytest.mark.parametrize("num_outputs", [1, 3])
def test_scores_are_the_base_plus_what_the_set_excites(num_outputs: int) -> None:
    rng = np.random.default_rng(0)
    generator = ScoreGenerator([4, 6], gamma=0.3)
    pooled = rng.normal(size=(num_outputs, 10))
    generator.build(pooled.shape)
    base = rng.normal(size=10)
    generator.start_from(base)
    if num_outputs > 1:
        generator.spread_factors.assign(np.full(10, 0.2))
    scores, _, kl = generator(pooled, np.full((2, 10), 0.5))
    parts = [pooled[:, :4], pooled[:, 4:]]
    standardized = np.concatenate(
        [(part - part.mean(axis=1, keepdims=True)) / part.std(axis=1, keepdims=True) for part in parts],
        axis=1,
    )
    expected = base + 0.3 * standardized.mean(axis=0) + 0.2 * standardized.std(axis=0) * (num_outputs > 1)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-4)
    assert float(kl) == 0


def test_shifting_scores_keeps_their_differences() -> None:
    generator = ScoreGenerator([4])
    generator.build((1, 4))
    generator.start_from(np.arange(4.0))
    generator.shift_scores(-2.5)
    np.testing.assert_array_equal(generator.base_scores, np.arange(4.0) - 2.5)


def test_one_output_has_no_spread_to_weigh() -> None:
    generator = ScoreGenerator([4])
    generator.build((1, 4))
    assert len(generator.weights) == 2


def test_gradients_are_finite_where_the_outputs_agree() -> None:
    """A group of one channel, or of none excited, has no spread over the outputs."""
    generator = ScoreGenerator([1, 3])
    pooled = tf.constant([[5.0, 0.0, 0.0, 0.0], [7.0, 0.0, 0.0, 0.0]])
    generator.build(pooled.shape)
    generator.spread_factors.assign([0.1, 0.2, 0.3, 0.4])
    with tf.GradientTape() as tape:
        tape.watch(pooled)
        loss = tf.reduce_sum(generator(pooled, tf.fill((2, 4), 0.5))[0])
    assert np.isfinite(tape.gradient(loss, pooled)).all()
