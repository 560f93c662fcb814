"""The one budget function: exact, hard for pruning, straight-through with a moving cut for training."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import brentq

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut, ChannelMap, CostModel, add_logistic_noise, trace_channels
from stamp_tf.errors import StampError

TEMPERATURE = 0.5


@pytest.fixture
def cost_model(network: keras.Model, channel_map: ChannelMap) -> CostModel:
    return CostModel(network, channel_map)


@pytest.fixture
def cut(channel_map: ChannelMap, cost_model: CostModel) -> ChannelCut:
    return ChannelCut(channel_map, cost_model)


def draw_scores(cut: ChannelCut, rng: np.random.Generator) -> np.ndarray:
    """Draw scores whose layers differ in level and spread, so that the floor of a layer matters."""
    sizes = cut.channel_map.group_sizes
    level, spread = (
        np.repeat(rng.normal(0, 2, len(sizes)), sizes),
        np.repeat(rng.uniform(0.1, 2, len(sizes)), sizes),
    )
    return level + spread * rng.normal(size=cut.num_channels)


def draw_budget(cut: ChannelCut, rng: np.random.Generator, kind: str) -> Budget:
    """Draw limits between the dearest floor and the full network."""
    low = max(
        cut.cost_model.exact_fractions(cut.channel_map.mask_of({g.name: [0] for g in cut.channel_map.groups}))
    )
    params, flops = np.exp(rng.uniform(np.log(low), 0, 2))
    return Budget(
        keep_params=params if kind != "flops" else None, max_flops=flops if kind != "parameters" else None
    )


def with_next_in_rank(scores: np.ndarray, mask: ChannelMask) -> np.ndarray:
    """Return the mask with the best channel that was left out."""
    one_more = np.array(mask)
    one_more[int(np.argmax(np.where(mask.kept, -np.inf, scores)))] = 1
    return one_more


@pytest.mark.parametrize("kind", ["parameters", "flops", "both"])
def test_200_masks_fit_and_the_next_channel_would_not(cut: ChannelCut, kind: str) -> None:
    rng = np.random.default_rng(0)
    num_cut = 0
    for _ in range(200):
        scores, budget = draw_scores(cut, rng), draw_budget(cut, rng, kind)
        mask = cut.meet(scores, budget)
        assert mask.is_hard
        assert (cut.cost_model.exact_fractions(mask) <= budget.of_training).all()
        assert all(mask[group.slice].any() for group in cut.channel_map.groups)
        if not mask.keeps_all:
            num_cut += 1
            one_more = with_next_in_rank(scores, mask)
            assert (cut.cost_model.exact_fractions(one_more) > budget.of_training).any()
    assert num_cut > 150


def test_the_best_channels_stay(cut: ChannelCut) -> None:
    """What stays outranks what goes, but for the best of each group."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        scores = draw_scores(cut, rng)
        mask = cut.meet(scores, draw_budget(cut, rng, "both"))
        best = [group.start + int(np.argmax(scores[group.slice])) for group in cut.channel_map.groups]
        assert mask[best].all()
        free = np.setdiff1d(np.flatnonzero(mask), best)
        if len(free) and not mask.keeps_all:
            assert scores[free].min() >= scores[~mask.kept].max()


def test_a_budget_of_everything_keeps_everything(cut: ChannelCut) -> None:
    scores = np.random.default_rng(0).normal(size=cut.num_channels)
    for budget in (
        Budget(),
        Budget(keep_params=1),
        Budget(max_flops=1.0),
        Budget(keep_params=1, max_flops=1),
    ):
        assert cut.meet(scores, budget).keeps_all


def test_the_threshold_parts_what_stays_from_what_goes(cut: ChannelCut) -> None:
    rng = np.random.default_rng(10)
    for _ in range(20):
        scores = rng.normal(size=cut.num_channels)
        budget = Budget(max_flops=rng.uniform(0.3, 0.9))
        mask, threshold = cut.meet(scores, budget), cut.threshold(scores, budget)
        best = [group.start + int(np.argmax(scores[group.slice])) for group in cut.channel_map.groups]
        expected = scores > threshold
        expected[best] = True
        np.testing.assert_array_equal(mask.kept, expected)
    assert cut.threshold(scores, Budget()) == scores.min()


def test_a_limit_met_to_the_last_parameter_is_met(cut: ChannelCut) -> None:
    rng = np.random.default_rng(2)
    scores = draw_scores(cut, rng)
    mask = cut.meet(scores, Budget(max_flops=0.4))
    params, flops = cut.cost_model.exact_fractions(mask)
    np.testing.assert_array_equal(cut.meet(scores, Budget(keep_params=params, max_flops=flops)), mask)


def test_ties_break_by_channel_number(cut: ChannelCut) -> None:
    mask = cut.meet(np.zeros(cut.num_channels), Budget(max_flops=0.5))
    free = np.array(mask)
    free[[group.start for group in cut.channel_map.groups]] = 1
    np.testing.assert_array_equal(mask, free)
    last = np.flatnonzero(np.diff(np.append(mask.values, 0)) < 0)[0]
    assert mask[: last + 1].all()


def test_scores_as_integers_are_taken(cut: ChannelCut) -> None:
    scores = np.random.default_rng(0).permutation(cut.num_channels)
    np.testing.assert_array_equal(
        cut.meet(scores, Budget(max_flops=0.5)), cut.meet(scores.astype(float), Budget(max_flops=0.5))
    )


@pytest.mark.parametrize("min_channels", [2, 7, 100])
def test_every_group_keeps_as_many_as_asked(cut: ChannelCut, min_channels: int) -> None:
    wider = cut.with_min_channels(min_channels)
    scores = draw_scores(cut, np.random.default_rng(3))
    floor = [min(min_channels, size) for size in cut.channel_map.group_sizes]
    smallest = np.zeros(cut.num_channels)
    for group, count in zip(cut.channel_map.groups, floor, strict=True):
        smallest[group.start : group.start + count] = 1
    mask = wider.meet(scores, Budget(max_flops=float(cut.cost_model.exact_fractions(smallest)[1])))
    for group, count in zip(cut.channel_map.groups, floor, strict=True):
        best = np.argsort(-scores[group.slice], kind="stable")[:count]
        assert mask[group.slice].sum() == count
        assert mask[group.slice][best].all()


@pytest.mark.parametrize("option", ["keep_params", "max_flops"])
def test_an_unreachable_budget_names_the_smallest_reachable(cut: ChannelCut, option: str) -> None:
    scores = np.random.default_rng(0).normal(size=cut.num_channels)
    with pytest.raises(StampError, match=r"must allow the smallest reachable network") as caught:
        cut.meet(scores, Budget(**{option: 0.001}))
    params, flops = map(float, re.search(r"parameters ([\d.]+), FLOPs ([\d.]+)", str(caught.value)).groups())
    assert "0.001" in str(caught.value)
    mask = cut.meet(scores, Budget(**{option: params if option == "keep_params" else flops}))
    assert mask.num_kept >= len(cut.channel_map.groups)
    assert (cut.cost_model.exact_fractions(mask) <= 1.2 * np.array([params, flops])).any()


@pytest.mark.parametrize("value", [0, -0.1, 1.0001, 25, float("nan")])
@pytest.mark.parametrize(("name", "option"), [("keep_params", "--keep-params"), ("max_flops", "--max-flops")])
def test_a_limit_outside_0_and_1_is_refused(name: str, option: str, value: float) -> None:
    with pytest.raises(StampError, match=f"{option} must be a fraction above 0 and at most 1, but got"):
        Budget(**{name: value})


@pytest.mark.parametrize("value", [0, -8e6, float("nan"), float("inf")])
def test_a_limit_on_memory_is_a_fraction_or_bytes(value: float) -> None:
    with pytest.raises(StampError, match=r"--max-memory must be a fraction .* or a number of bytes, but got"):
        Budget(max_memory=value)


@pytest.mark.parametrize("value", [0, -1e-3, float("nan"), float("inf")])
def test_a_limit_on_latency_is_a_time(value: float) -> None:
    with pytest.raises(StampError, match="--max-latency must be a time above 0, but got"):
        Budget(max_latency=value)


def test_memory_as_a_fraction_and_in_bytes_is_one_limit(cut: ChannelCut) -> None:
    rng = np.random.default_rng(11)
    full = cut.cost_model.full_activation_bytes
    for fraction in rng.uniform(0.4, 1, 20):
        scores = draw_scores(cut, rng)
        mask = cut.meet(scores, Budget(max_memory=fraction))
        assert cut.cost_model.activation_bytes(mask) <= fraction * full
        np.testing.assert_array_equal(cut.meet(scores, Budget(max_memory=fraction * full)), mask)
        if not mask.keeps_all:
            assert cut.cost_model.activation_bytes(with_next_in_rank(scores, mask)) > fraction * full


def test_unreachable_memory_names_the_smallest_reachable_both_ways(cut: ChannelCut) -> None:
    scores = np.random.default_rng(0).normal(size=cut.num_channels)
    with pytest.raises(StampError, match=r"--max-memory must allow .*, but got 100B; raise it,") as caught:
        cut.meet(scores, Budget(max_memory=100))
    fraction, num_bytes = re.search(r"memory ([\d.]+) or (\d+)B", str(caught.value)).groups()
    for limit in (float(fraction), int(num_bytes)):
        assert cut.meet(scores, Budget(max_memory=limit)).num_kept
    with pytest.raises(StampError, match="--max-memory must allow"):
        cut.meet(scores, Budget(max_memory=int(num_bytes) - 1))


def test_every_limit_that_is_out_of_reach_is_named(cut: ChannelCut) -> None:
    budget = Budget(keep_params=0.001, max_flops=1.0, max_memory=0.001)
    with pytest.raises(StampError, match=r"--keep-params and --max-memory must .* but got 0.001 and 0.001;"):
        cut.meet(np.zeros(cut.num_channels), budget)


def test_latency_is_not_met_by_counting(cut: ChannelCut) -> None:
    with pytest.raises(StampError, match=r"but got --max-latency, which is measured; use meet_latency"):
        cut.meet(np.zeros(cut.num_channels), Budget(max_latency=0.1))


@pytest.mark.parametrize("budget", [Budget(max_flops=0.5), Budget(max_memory=0.5)])
def test_an_open_image_size_is_refused_where_it_matters(conv, budget: Budget) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, conv(4, "conv2")(conv(4, "conv1")(image)))
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    with pytest.raises(StampError, match="needs a network for images of a known size"):
        cut.meet(np.arange(4), budget)
    assert cut.meet(np.arange(4), Budget(keep_params=0.6)).num_kept == 2


@pytest.mark.parametrize("scores", [np.zeros(3), np.full(23, np.nan), np.zeros((23, 1))])
def test_scores_that_do_not_fit_are_refused(cut: ChannelCut, scores: np.ndarray) -> None:
    with pytest.raises(
        StampError,
        match=r"Scores must be (finite, but channel 0 has nan|one per channel \(23\), but have shape)",
    ):
        cut.meet(scores, Budget(max_flops=0.5))


def test_no_floor_is_refused(cut: ChannelCut) -> None:
    with pytest.raises(StampError, match="--min-channels must be at least 1, but got 0"):
        cut.with_min_channels(0)


def test_a_network_without_channels_is_refused() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    channel_map = trace_channels(model)
    with pytest.raises(StampError, match=r"must have channels that can be removed, but has none"):
        ChannelCut(channel_map, CostModel(model, channel_map))


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
