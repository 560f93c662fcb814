"""The one budget function: exact, hard for pruning, straight-through with a moving cut for training."""

import re

import keras
import numpy as np
import pytest

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut, CostModel, trace_channels
from stamp_tf.errors import StampError

from .draws import draw_budget, draw_scores


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
