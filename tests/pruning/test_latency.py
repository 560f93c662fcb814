"""A limit on latency: one cut, found by measuring the networks that it leaves."""

import itertools
from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channels import Budget, ChannelCut, CostModel, WidthRules, trace_channels
from stamp_tf.errors import StampError
from stamp_tf.measure.timing import Timing
from stamp_tf.pruning.latency import latency_clock, meet_latency


@pytest.fixture(scope="module")
def model() -> keras.Model:
    image = x = keras.Input((12, 12, 3))
    for index, filters in enumerate((12, 16, 20)):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{index}")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture
def cut(model: keras.Model) -> ChannelCut:
    channel_map = trace_channels(model)
    return ChannelCut(channel_map, CostModel(model, channel_map))


def even_clock(model: keras.Model) -> Timing:
    """Time a network on a machine that takes a microsecond for each weight."""
    return Timing(
        model="model",
        kind="inference",
        batch_size=1,
        seconds=1e-6 * model.count_params(),
        spread=0.0,
        num_rounds=1,
    )


def clock_of(factors: Iterator[float]) -> Callable[[keras.Model], Timing]:
    """Time networks on the same machine while others work on it: each time it is slower by a factor."""

    def measure(model: keras.Model) -> Timing:
        return Timing(
            model="model",
            kind="inference",
            batch_size=1,
            seconds=next(factors) * even_clock(model).seconds,
            spread=0.0,
            num_rounds=1,
        )

    return measure


def scores_of(cut: ChannelCut, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=cut.num_channels)


@pytest.mark.parametrize("rules", [WidthRules(), WidthRules(round_to=4), WidthRules(keep=("conv1",))])
def test_the_next_step_would_be_too_slow(cut: ChannelCut, model: keras.Model, rules: WidthRules) -> None:
    cut = ChannelCut(cut.channel_map, cut.cost_model, rules=rules)
    for seed, fraction in enumerate((0.3, 0.5, 0.9)):
        scores, limit = scores_of(cut, seed), fraction * even_clock(model).seconds
        budget = Budget(max_latency=limit)
        mask, timing = meet_latency(cut, scores, budget=budget, model=model, measure=even_clock)
        # The weights of this network are all trainable, so that its cost says how slow the clock finds it.
        assert timing.seconds == pytest.approx(1e-6 * cut.cost_model.parameters(mask))
        assert timing.seconds <= limit
        ranking = cut.rank(scores)
        step = int(ranking.steps[mask.kept].max())
        np.testing.assert_array_equal(mask, ranking.mask(step))
        assert 1e-6 * cut.cost_model.parameters(ranking.mask(step + 1)) > limit
        assert rules.allow(cut.channel_map, mask)


def test_counted_limits_hold_together_with_latency(cut: ChannelCut, model: keras.Model) -> None:
    scores, full = scores_of(cut, 0), even_clock(model).seconds
    for max_flops, share in ((0.2, 0.9), (0.9, 0.3)):
        budget = Budget(max_flops=max_flops, max_latency=share * full)
        mask, timing = meet_latency(cut, scores, budget=budget, model=model, measure=even_clock)
        assert timing.seconds <= share * full
        assert cut.cost_model.exact_fractions(mask)[1] <= max_flops
        one_more = cut.rank(scores)
        one_more = one_more.mask(int(one_more.steps[mask.kept].max()) + 1)
        params, flops = cut.cost_model.exact_fractions(one_more)
        assert flops > max_flops or params * full > share * full


def test_a_network_that_was_timed_too_fast_gives_way(cut: ChannelCut, model: keras.Model) -> None:
    """The first eight measurements flatter by a quarter, those at the end do not."""
    scores, limit = scores_of(cut, 1), 0.5 * even_clock(model).seconds
    steps: list[int] = []
    mask, timing = meet_latency(
        cut,
        scores,
        budget=Budget(max_latency=limit),
        model=model,
        measure=clock_of(itertools.chain([0.75] * 8, itertools.repeat(1.0))),
        on_step=lambda done, total, figures: steps.append(done),
    )
    assert timing.seconds <= limit
    assert 1e-6 * cut.cost_model.parameters(mask) == pytest.approx(timing.seconds)
    assert steps == list(range(1, len(steps) + 1))


def test_a_limit_that_the_smallest_network_exceeds_names_its_latency(
    cut: ChannelCut, model: keras.Model
) -> None:
    smallest = 1e-6 * cut.cost_model.parameters(cut.rank(scores_of(cut, 2)).mask(0))
    message = (
        rf"--max-latency must .* \(measured {1e3 * smallest:g}ms at batch size 1\), but got 0.001ms; raise"
    )
    with pytest.raises(StampError, match=message):
        meet_latency(cut, scores_of(cut, 2), budget=Budget(max_latency=1e-6), model=model, measure=even_clock)


def test_a_machine_that_slows_down_for_good_is_told(cut: ChannelCut, model: keras.Model) -> None:
    clock = clock_of(itertools.chain([1.0] * 8, itertools.repeat(1e6)))
    with pytest.raises(
        StampError, match=r"--max-latency must allow the smallest reachable network \(measured"
    ):
        meet_latency(
            cut,
            scores_of(cut, 3),
            budget=Budget(max_latency=0.5 * even_clock(model).seconds),
            model=model,
            measure=clock,
        )


def test_real_networks_are_really_timed(cut: ChannelCut, model: keras.Model) -> None:
    """A limit that any machine meets with the whole network."""
    budget = Budget(max_flops=0.5, max_latency=60.0)
    scores = scores_of(cut, 4)
    mask, timing = meet_latency(cut, scores, budget=budget, model=model, measure=latency_clock(2))
    np.testing.assert_array_equal(mask, cut.meet(scores, Budget(max_flops=0.5)))
    assert timing.batch_size == 2
    assert 0 < timing.seconds < 60
