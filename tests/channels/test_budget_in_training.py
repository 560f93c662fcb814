"""The cut in training: hard values as in pruning, gradients of a soft mask whose cost stays."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import brentq

from stamp_tf.channels import ChannelCut, add_logistic_noise
from stamp_tf.errors import StampError

from .draws import draw_budget, draw_scores

TEMPERATURE = 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("min_channels", [1, 3])
def test_the_hard_values_of_a_straight_through_mask_are_those_of_pruning(
    cut: ChannelCut, dtype: str, min_channels: int
) -> None:
    cut = cut.with_min_channels(min_channels)
    compiled = tf.function(lambda scores, limits: cut.straight_through(scores, limits))
    rng = np.random.default_rng(4)
    for index in range(60):
        scores = draw_scores(cut, rng).astype(dtype)
        budget = draw_budget(cut, rng, ("parameters", "flops", "both")[index % 3])
        try:
            expected = cut.meet(scores, budget)
        except StampError:
            continue
        mask = compiled(tf.constant(scores), tf.constant(budget.of_training, dtype))
        np.testing.assert_allclose(mask, expected, atol=1e-6)
        assert mask.dtype == dtype


@pytest.mark.parametrize("limits", [(np.inf, np.inf), (1, np.inf), (np.inf, 1), (1, 1)])
def test_full_budgets_keep_everything_in_training_too(cut: ChannelCut, limits: tuple[float, float]) -> None:
    scores = tf.constant(draw_scores(cut, np.random.default_rng(5)), "float32")
    mask = cut.straight_through(scores, tf.constant(limits, "float32"))
    np.testing.assert_allclose(mask, np.ones(cut.num_channels), atol=1e-6)


def test_an_unreachable_budget_leaves_the_floor_in_training(cut: ChannelCut) -> None:
    scores = tf.constant(draw_scores(cut, np.random.default_rng(6)), "float32")
    mask = cut.straight_through(scores, tf.constant([np.inf, 1e-6], "float32"))
    assert np.round(mask).sum() == len(cut.channel_map.groups)


def soft_mask(scores: np.ndarray, threshold: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(scores - threshold) / TEMPERATURE))


def threshold_of(cut: ChannelCut, scores: np.ndarray, mask: np.ndarray) -> float:
    """Return the middle between the channel that got in last and the next one, the floor left aside."""
    best = [group.start + int(np.argmax(scores[group.slice])) for group in cut.channel_map.groups]
    free = np.setdiff1d(np.flatnonzero(mask), best)
    return (scores[free].min() + np.where(mask > 0, -np.inf, scores).max()) / 2


@pytest.mark.parametrize(
    ("limits", "row"), [((np.inf, 0.3), 1), ((0.4, np.inf), 0), ((0.9, 0.3), 1), ((0.3, 0.9), 0)]
)
def test_the_gradient_is_that_of_a_soft_mask_whose_cost_stays(
    cut: ChannelCut, limits: tuple[float, float], row: int
) -> None:
    """Against finite differences of sigmoid((s - t(s)) / temperature), t(s) solved for: cost(s, t(s)) = constant."""
    rng = np.random.default_rng(7)
    # Of one level, so that the floor of no group reaches below the cut.
    scores = rng.normal(size=cut.num_channels)
    upstream = rng.normal(size=cut.num_channels)
    with tf.GradientTape() as tape:
        tape.watch(tensor := tf.constant(scores))
        mask = cut.straight_through(tensor, tf.constant(limits, "float64"), temperature=TEMPERATURE)
        loss = tf.reduce_sum(mask * upstream)
    gradient = tape.gradient(loss, tensor).numpy()

    start = threshold_of(cut, scores, np.round(mask))

    def cost(scores: np.ndarray, threshold: float) -> float:
        return float(cut.cost_model.fractions(tf.constant(soft_mask(scores, threshold)))[row])

    constant = cost(scores, start)

    def value(scores: np.ndarray) -> float:
        threshold = brentq(lambda t: cost(scores, t) - constant, start - 1, start + 1, xtol=1e-14, rtol=1e-14)
        return float(soft_mask(scores, threshold) @ upstream)

    step = 1e-5
    directions = step * np.eye(cut.num_channels)
    expected = [(value(scores + d) - value(scores - d)) / (2 * step) for d in directions]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_moving_scores_never_changes_the_soft_cost(cut: ChannelCut, seed: int) -> None:
    """What the soft mask changes, weighted by its prices, sums to zero, whatever scores move."""
    rng = np.random.default_rng(seed)
    scores = draw_scores(cut, rng)
    limits = tf.constant([np.inf, rng.uniform(0.3, 0.9)], "float64")
    with tf.GradientTape() as tape:
        tape.watch(tensor := tf.constant(scores))
        mask = cut.straight_through(tensor, limits, temperature=TEMPERATURE)
    jacobian = tape.jacobian(mask, tensor).numpy()
    soft = soft_mask(scores, threshold_of(cut, scores, np.round(mask)))
    prices = cut.cost_model.prices(tf.constant(soft))[1].numpy()
    assert np.abs(prices @ jacobian).max() < 1e-12 * np.abs(prices[:, None] * jacobian).sum(axis=0).max()


def test_a_common_shift_of_all_scores_changes_nothing(cut: ChannelCut) -> None:
    scores = draw_scores(cut, np.random.default_rng(9))
    limits = tf.constant([np.inf, 0.3], "float64")
    before, after = (cut.straight_through(tf.constant(scores + shift), limits) for shift in (0.0, 17.0))
    np.testing.assert_allclose(before, after, atol=1e-12)


def test_a_dear_channel_has_to_earn_its_place(cut: ChannelCut) -> None:
    """Of two channels of equal score and use, the dearer one gets the smaller push."""
    scores = tf.zeros((cut.num_channels,), "float64") + tf.constant(np.linspace(0, 1e-6, cut.num_channels))
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = tf.reduce_sum(cut.straight_through(scores, tf.constant([np.inf, 0.5], "float64")))
    gradient = tape.gradient(loss, scores).numpy()
    prices = cut.cost_model.prices(tf.fill((cut.num_channels,), tf.constant(0.5, "float64")))[1].numpy()
    firsts = [group.start for group in cut.channel_map.groups]
    assert np.argsort(gradient[firsts]).tolist() == np.argsort(-prices[firsts]).tolist()
    assert gradient.min() < 0 < gradient.max()


def test_noise_is_logistic_of_scale_a_fifth() -> None:
    uniform = np.random.default_rng(0).uniform(size=200_000).astype("float32")
    noise = np.asarray(add_logistic_noise(tf.zeros(200_000), uniform))
    assert abs(noise.mean()) < 0.005
    assert noise.std() == pytest.approx(0.2 * np.pi / np.sqrt(3), rel=0.01)
    assert np.isfinite(add_logistic_noise(tf.zeros(2), tf.constant([0.0, 1.0]))).all()
