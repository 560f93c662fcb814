"""MetaPruning: kernels that are generated and cropped, widths that fit, and a search that follows from its seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stamp_tf.baselines.evolution import (
    Evolution,
    EvolutionOptions,
    first_channels,
    scores_of,
    shares_of,
)
from stamp_tf.baselines.metapruning import MetaPruningOptions, PruningNet
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, slice_model
from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference

HALF = Budget(max_flops=0.5)
FEW = {"population": 4, "parents": 2, "rounds": 2, "batches": 1}
ASKED: dict[str, Any] = {
    "method": "metapruning",
    "max_flops": 0.5,
    "options": FEW,
    "finetune": FinetuneConfig(epochs=1, batch_size=10, learning_rate=0.05, evaluate=False),
}


class Interrupted(Exception):
    """Stands for Ctrl+C."""


@pytest.fixture
def net(small: Reference, shades: DataSet) -> PruningNet:
    config = PruneConfig(max_flops=0.5)
    return PruningNet(Target.of(small, shades).problem(config, budget=HALF), MetaPruningOptions())


def kept(small: Reference, mask: ChannelMask) -> list[list[int]]:
    return list(mask.kept_in(small.channel_map.groups).values())


def test_widths_are_those_of_the_first_channels(small: Reference) -> None:
    mask = first_channels(small.channel_map, np.array([0.5, 0.25, 0.01]))
    assert kept(small, mask) == [[0, 1, 2], [0, 1], [0]]
    np.testing.assert_allclose(shares_of(small.channel_map, mask), [0.5, 0.25, 0.1])


def test_candidates_are_scaled_to_the_budget_all_alike(small: Reference) -> None:
    shares = np.array([0.8, 0.5, 0.2])
    one, other = (small.cut.meet(scores_of(small.channel_map, part * shares), HALF) for part in (1, 0.4))
    assert one == other
    assert HALF.allows(small.cost_model, one)
    found = shares_of(small.channel_map, one)
    assert found[0] > found[1] > found[2]


def test_evolution_finds_what_is_judged_best_within_the_budget(small: Reference) -> None:
    """Wide first layers are worth most here."""
    judged: list[ChannelMask] = []

    def judge(mask: ChannelMask) -> float:
        judged.append(mask)
        return float(shares_of(small.channel_map, mask)[0])

    def best(rounds: int) -> float:
        options = EvolutionOptions(population=10, parents=3, rounds=rounds)
        evolution = Evolution(small.cut, HALF, judge=judge, options=options)
        scores, worth = evolution.run(np.random.default_rng(0))
        assert judge(small.cut.meet(scores, HALF)) == worth
        return worth

    assert best(20) > best(1)
    for mask in judged:
        assert HALF.allows(small.cost_model, mask)
        for channels in kept(small, mask):
            assert channels == list(range(len(channels)))


def test_generated_kernels_have_their_shapes_and_follow_the_widths(net: PruningNet) -> None:
    weights, values = net.model.trainable_variables, [one.value for one in net.variables]
    everything = np.ones(net.channel_map.num_channels, "float32")
    wide, narrow = (net.weights_of(values, np.full(3, share, "float32"), everything) for share in (1.0, 0.1))
    assert [tuple(value.shape) for value in wide] == [tuple(weight.shape) for weight in weights]
    differ = {
        weight.path
        for weight, one, other in zip(weights, wide, narrow, strict=True)
        if not np.allclose(one, other)
    }
    assert differ == {f"conv{number}/kernel" for number in (1, 2, 3)}


def test_a_mask_of_the_first_channels_is_the_crop(net: PruningNet) -> None:
    mask = first_channels(net.channel_map, np.array([0.5, 0.25, 0.3]))
    shares = shares_of(net.channel_map, mask).astype("float32")
    values = net.weights_of([one.value for one in net.variables], shares, mask.values)
    for weight, value in zip(net.model.trainable_variables, values, strict=True):
        weight.assign(value)
    images = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    cropped = slice_model(net.model, net.channel_map, mask)
    np.testing.assert_allclose(
        cropped(images, training=True), net.model(images, training=True), rtol=1e-4, atol=1e-5
    )


@pytest.fixture(scope="module")
def whole() -> dict[str, PruneResult]:
    """The result of a run that nothing interrupts."""
    return {}


def uninterrupted(whole: dict[str, PruneResult], small: Reference, shades: DataSet) -> PruneResult:
    if not whole:
        whole["run"] = prune(shades, small, **ASKED)
    return whole["run"]


def test_a_run_meets_its_budget_with_fresh_weights(
    whole: dict[str, PruneResult], small: Reference, shades: DataSet
) -> None:
    result = uninterrupted(whole, small, shades)
    assert 0.3 < result.flops_fraction <= 0.5
    assert result.config.structure_only
    assert result.times["propose"] > 0


@pytest.mark.slow
def test_an_interrupted_search_comes_to_the_same_network(
    whole: dict[str, PruneResult], small: Reference, shades: DataSet, tmp_path: Path
) -> None:
    def interrupt(phase: str, done: int, total: int, figures: Any) -> None:
        # Of 2 steps and 8 candidates.
        if (phase, done, total) == ("prune", 4, 10):
            raise Interrupted

    expected = uninterrupted(whole, small, shades)
    with pytest.raises(Interrupted):
        prune(shades, small, **ASKED, checkpoints=tmp_path, on_step=interrupt)
    again = prune(shades, small, **ASKED, checkpoints=tmp_path)
    assert again.mask == expected.mask
    for one, other in zip(again.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_limit_out_of_reach_is_refused_before_training(small: Reference, shades: DataSet) -> None:
    with pytest.raises(StampError, match="--max-flops must allow the smallest reachable network"):
        prune(shades, small, **{**ASKED, "max_flops": 0.001})


def test_a_tied_group_has_one_width(tiny: Any, make_problem: Callable[..., Any]) -> None:
    problem = make_problem(tiny)
    channel_map = problem.reference.channel_map
    mask = first_channels(channel_map, np.array([0.67, 0.5]))
    sliced = slice_model(tiny, channel_map, mask)
    assert [sliced.get_layer(name).filters for name in ("left", "right", "last")] == [2, 2, 1]
