"""Beta-Bernoulli dropout: its gates against known figures, and what closes and what opens them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.baselines.bbdropout import BBDropout, BBDropoutOptions, Gates
from stamp_tf.channels import Budget
from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.pruner import Proposal
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference

FIXED = 1e-12  # a rate at which weights stay as they are


def proposed(small: Reference, shades: DataSet, *, limits: dict[str, float], **options: Any) -> Proposal:
    config = PruneConfig(
        method="bbdropout", options=options, finetune=FinetuneConfig(epochs=0, batch_size=12), **limits
    )
    target = Target.of(small, shades)
    return BBDropout().propose(target.problem(config, budget=Budget(**limits)))


@pytest.mark.parametrize(
    ("raw_start", "divergence", "expectation"), [(-1.0, 7.0500, 0.2385), (2.0, 8.9651, 0.6802)]
)
def test_gates_start_from_known_figures(raw_start: float, divergence: float, expectation: float) -> None:
    """Those that Monte Carlo gives for a = 0.3133 and 2.1269, b = 1 and alpha = 1e-4."""
    gates = Gates(3, BBDropoutOptions(raw_start=raw_start))
    raw = [variable.value for variable in gates.variables]
    assert float(gates.divergence(raw)) == pytest.approx(3 * divergence, abs=1e-3)
    np.testing.assert_allclose(gates.expectation, expectation, atol=1e-4)


def test_samples_have_the_expectation() -> None:
    gates = Gates(20_000, BBDropoutOptions())
    uniform = np.random.default_rng(0).uniform(size=(2, 20_000)).astype("float32")
    sample = gates.sample([variable.value for variable in gates.variables], uniform)
    assert float(keras.ops.mean(sample)) == pytest.approx(0.6802, abs=0.01)


def test_the_prior_alone_moves_gates_of_channels_that_nobody_reads(small: Reference, shades: DataSet) -> None:
    reader = small.model.get_layer("conv3").kernel
    before = np.asarray(reader)
    silent = [0, 3, 5]
    changed = before.copy()
    changed[:, :, silent] = 0
    reader.assign(changed)
    options = {"epochs": 15, "rates": (FIXED, 0.05), "kl_scale": 1.0}
    proposal = proposed(small, shades, limits={"max_flops": 0.5}, **options)
    group = next(group for group in small.channel_map.groups if group.name == "conv2")
    found = np.exp(proposal.scores[group.slice])
    np.testing.assert_allclose(found[silent], found[silent][0], rtol=1e-4)
    assert found[silent][0] < 0.6802 - 0.1
    assert np.ptp(np.delete(found, silent)) > 1e-3


def test_without_a_budget_what_is_closed_goes(small: Reference, shades: DataSet) -> None:
    # Nothing is learnt, so that the start decides.
    below = proposed(small, shades, limits={}, epochs=0, raw_start=-9.0)
    kept = np.asarray(below.mask) > 0
    assert [kept[group.slice].sum() for group in small.channel_map.groups] == [1, 1, 1]
    assert (np.asarray(proposed(small, shades, limits={}, epochs=0).mask) > 0).all()


def test_survivors_are_multiplied_by_their_expectation(small: Reference, shades: DataSet) -> None:
    proposal = proposed(small, shades, limits={"max_flops": 0.5}, epochs=0)
    np.testing.assert_allclose(proposal.fold, 0.6802, atol=1e-4)


def test_a_budget_is_met(small: Reference, shades: DataSet) -> None:
    training = FinetuneConfig(epochs=1, batch_size=12, learning_rate=0.05)
    result = prune(shades, small, method="bbdropout", max_flops=0.4, finetune=training)
    assert 0.2 < result.flops_fraction <= 0.4


def test_gates_that_all_stay_open_are_no_answer(small: Reference, shades: DataSet) -> None:
    with pytest.raises(StampError, match="Pruning must remove something"):
        prune(shades, small, method="bbdropout", options={"epochs": 0}, finetune=FinetuneConfig(epochs=0))
