"""Beta-Bernoulli dropout against the published fixtures and against sampling."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from stamp_tf.layers.beta_bernoulli import (
    BetaBernoulli,
    expected_keep_probability,
    kl_divergence,
    sample_kumaraswamy,
)

# a, b, alpha, KL, E[pi]
FIXTURES = [
    (0.3133, 1.0, 1e-4, 7.0500, 0.2385),
    (2.1269, 1.0, 1e-4, 8.9651, 0.6802),
    (1.7, 3.2, 0.05, 2.1690, 0.3947),
]
NUM_SAMPLES = 400_000


def tensor(value: float) -> tf.Tensor:
    return tf.constant(value, "float64")


def log_density(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Of Kumaraswamy(a, b)."""
    return np.log(a * b) + (a - 1) * np.log(x) + (b - 1) * np.log1p(-(x**a))


@pytest.mark.parametrize(("a", "b", "alpha", "kl", "expectation"), FIXTURES)
def test_published_values(a: float, b: float, alpha: float, kl: float, expectation: float) -> None:
    assert float(kl_divergence(tensor(a), tensor(b), alpha)) == pytest.approx(kl, abs=1e-4)
    assert float(expected_keep_probability(tensor(a), tensor(b))) == pytest.approx(expectation, abs=1e-4)


@pytest.mark.parametrize(("a", "b", "alpha", "kl", "expectation"), FIXTURES)
def test_values_by_sampling(a: float, b: float, alpha: float, kl: float, expectation: float) -> None:
    uniform = np.random.default_rng(0).uniform(size=NUM_SAMPLES)
    x = np.asarray(sample_kumaraswamy(tensor(a), tensor(b), uniform))
    assert x.mean() == pytest.approx(expectation, abs=4 * x.std() / NUM_SAMPLES**0.5)
    x = np.clip(x, 1e-300, 1 - 1e-12)
    ratio = log_density(x, a, b) - stats.beta.logpdf(x, alpha, 1)
    assert ratio.mean() == pytest.approx(kl, abs=4 * ratio.std() / NUM_SAMPLES**0.5)


def test_samples_follow_the_kumaraswamy_distribution() -> None:
    a, b = 1.7, 3.2
    uniform = np.random.default_rng(1).uniform(size=50_000)
    x = np.asarray(sample_kumaraswamy(tensor(a), tensor(b), uniform))
    assert stats.kstest(x, lambda value: 1 - (1 - value**a) ** b).pvalue > 0.01


def test_the_divergence_is_zero_at_the_prior() -> None:
    assert float(kl_divergence(tensor(0.3), tensor(1.0), 0.3)) == pytest.approx(0, abs=1e-9)


def test_extreme_parameters_stay_finite_in_single_precision() -> None:
    raw = tf.constant([-60.0, -10.0, 0.0, 50.0, 100.0])
    a, b = (axis.ravel() for axis in np.meshgrid(raw, raw))
    generator = BetaBernoulli([25])
    generator.build((1, 25))
    generator.raw_a.assign(a)
    generator.raw_b.assign(b)
    with tf.GradientTape() as tape:
        outputs = generator(tf.zeros((1, 25)), tf.fill((2, 25), 0.3))
        loss = sum(tf.reduce_sum(output) for output in outputs)
    assert all(np.isfinite(output).all() for output in outputs)
    weights = [variable.value for variable in generator.trainable_variables]
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(loss, weights))


def test_scores_are_the_logits_of_the_expected_mask() -> None:
    """E[m] = E[pi] * clip(gamma * o + beta) (Eq. 14), here with b = 1: E[pi] = a / (a + 1)."""
    generator = BetaBernoulli([4], start=3.0, gamma=0.5, beta=0.2, epsilon=0.1)
    pooled = np.array([[1.0, 2.0, 3.0, 10.0]])
    scores, _, _ = generator(pooled, np.full((2, 4), 0.5))
    standardized = (pooled[0] - pooled.mean()) / pooled.std()
    gate = np.clip(0.5 * standardized + 0.2, 0.1, 0.9)
    assert {0.1, 0.9} & set(gate)
    np.testing.assert_allclose(tf.sigmoid(scores), 0.75 * gate, rtol=1e-4)


def test_the_mean_of_samples_is_the_expected_mask() -> None:
    generator = BetaBernoulli([6], start=2.0, gamma=0.1, beta=0.7)
    pooled = np.random.default_rng(0).normal(size=(1, 6))
    uniform = np.random.default_rng(1).uniform(size=(3000, 2, 6)).astype("float32")
    samples = np.asarray(tf.function(lambda: tf.map_fn(lambda u: generator(pooled, u)[1], uniform))())
    scores, _, _ = generator(pooled, uniform[0])
    np.testing.assert_allclose((samples > 0.5).mean(axis=0), tf.sigmoid(scores), atol=0.04)


def test_the_prior_adds_up_over_channels_and_shifts() -> None:
    generator = BetaBernoulli([3], alpha=0.05, start=1.7, beta=0.6, beta_variance=5.0)
    _, _, kl = generator(np.zeros((1, 3)), np.full((2, 3), 0.5))
    one = float(kl_divergence(tensor(1.7), tensor(1.0), 0.05))
    assert float(kl) == pytest.approx(3 * (one + 0.6**2 / 10), rel=1e-5)


def test_descending_the_prior_closes_channels() -> None:
    generator = BetaBernoulli([8])
    pooled, uniform = tf.zeros((1, 8)), tf.fill((2, 8), 0.5)
    before, _, _ = generator(pooled, uniform)
    for _ in range(20):
        with tf.GradientTape() as tape:
            kl = generator(pooled, uniform)[2]
        weights = [generator.raw_a, generator.raw_b]
        for weight, gradient in zip(weights, tape.gradient(kl, [w.value for w in weights]), strict=True):
            weight.assign_sub(0.1 * gradient)
    after, _, _ = generator(pooled, uniform)
    assert (np.asarray(after) < np.asarray(before)).all()


def test_starting_from_scores_keeps_their_ranking_about_the_first_probability() -> None:
    scores = np.random.default_rng(0).normal(3, 10, 50)
    generator = BetaBernoulli([20, 30], start=10.0)
    generator.build((1, 50))
    generator.start_from(scores)
    # The same activation everywhere: only the scores can rank.
    result, _, _ = generator(np.zeros((1, 50)), np.full((2, 50), 0.5))
    np.testing.assert_array_equal(np.argsort(result), np.argsort(scores))
    assert 0.75 < float(tf.reduce_mean(tf.sigmoid(result))) < 0.95
