"""Iterative filter pruning: rounds that nest, weights that carry on, and a run that is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stamp_tf.baselines import ifp
from stamp_tf.baselines.ifp import Ifp
from stamp_tf.baselines.l1 import L1Norm
from stamp_tf.baselines.taylor import Taylor
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import slice_model
from stamp_tf.channels.put_back import put_back
from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.pruner import Pruner
from stamp_tf.pruning.result import PruneResult
from stamp_tf.references.reference import Reference

SHORT = FinetuneConfig(epochs=2, batch_size=12, learning_rate=0.05)
ROUNDS = {"method": "ifp", "max_flops": 0.3, "options": {"rounds": 3}, "finetune": SHORT}


class Interrupted(Exception):
    """Stands for Ctrl+C."""


@pytest.mark.parametrize(("criterion", "method"), [("l1", L1Norm), ("taylor", Taylor)])
def test_one_round_is_its_criterion(
    tiny: Any, make_problem: Callable[..., Any], criterion: str, method: type[Pruner]
) -> None:
    problem = make_problem(tiny)
    found = Ifp().propose(make_problem(tiny, rounds=1, criterion=criterion)).scores
    np.testing.assert_array_equal(found, method().propose(problem).scores)


def test_what_went_stays_away(small: Reference, shades: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    masks: list[ChannelMask] = []
    train = ifp.train_round

    def seen(problem: Any, mask: ChannelMask, *args: Any, **kwargs: Any) -> None:
        masks.append(mask)
        train(problem, mask, *args, **kwargs)

    monkeypatch.setattr(ifp, "train_round", seen)
    result = prune(shades, small, **ROUNDS)
    first, second, last = (mask.kept for mask in (*masks, result.mask))
    assert last.sum() < second.sum() < first.sum() < len(first)
    assert not (last & ~second).any()
    assert not (second & ~first).any()
    assert result.flops_fraction <= 0.3


def test_the_last_cut_takes_weights_that_rounds_trained(small: Reference, shades: DataSet) -> None:
    at_once = FinetuneConfig(epochs=0, batch_size=12, learning_rate=0.05)
    trained = prune(shades, small, **{**ROUNDS, "finetune": at_once})
    before = dict(zip((w.path for w in small.model.weights), small.model.get_weights(), strict=True))
    kept = trained.mask.kept_in(small.channel_map.groups)["conv1"]
    assert not np.allclose(trained.model.get_layer("conv1").kernel, before["conv1/kernel"][..., kept])


def test_weights_return_to_their_places(small: Reference) -> None:
    model, channel_map = small.backbone.build(), small.channel_map
    mask = ChannelMask(np.random.default_rng(3).uniform(size=channel_map.num_channels) < 0.6)
    sliced = slice_model(model, channel_map, mask)
    learnt = [np.full(weight.shape, number + 1.0, "float32") for number, weight in enumerate(sliced.weights)]
    sliced.set_weights(learnt)
    put_back(sliced, model, channel_map, mask=mask)
    for again, value in zip(slice_model(model, channel_map, mask).get_weights(), learnt, strict=True):
        np.testing.assert_array_equal(again, value)
    assert sum(np.count_nonzero(weight) for weight in model.get_weights()) == sum(map(np.size, learnt))


@pytest.mark.parametrize(("phase", "step"), [("prune", 3), ("finetune", 3)])
def test_an_interrupted_run_comes_to_the_same_network(
    small: Reference, shades: DataSet, tmp_path: Path, phase: str, step: int
) -> None:
    def interrupt(now: str, done: int, total: int, figures: Any) -> None:
        if (now, done) == (phase, step):
            raise Interrupted

    def weights(result: PruneResult) -> list[np.ndarray]:
        return result.model.get_weights()

    whole = prune(shades, small, **ROUNDS)
    with pytest.raises(Interrupted):
        prune(shades, small, **ROUNDS, checkpoints=tmp_path, on_step=interrupt)
    for one, other in zip(
        weights(prune(shades, small, **ROUNDS, checkpoints=tmp_path)), weights(whole), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_fresh_weights_are_refused(small: Reference, shades: DataSet) -> None:
    with pytest.raises(StampError, match="ifp trains the weights that stay, but --structure-only keeps none"):
        prune(shades, small, **ROUNDS, structure_only=True)


def test_a_limit_out_of_reach_is_refused_before_training(
    small: Reference, shades: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ifp, "train_round", lambda *args, **kwargs: pytest.fail("trained"))
    with pytest.raises(StampError, match="--max-flops must allow the smallest reachable network"):
        prune(shades, small, **{**ROUNDS, "max_flops": 0.001})
