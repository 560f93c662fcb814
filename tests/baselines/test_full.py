"""The full network as a method, and names that fix options of another method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stamp_tf.baselines.aliases import UniformL1
from stamp_tf.baselines.full import Full
from stamp_tf.baselines.l1 import L1Norm
from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.choose import choose_pruner, with_fixed
from stamp_tf.pruning.prune import prune
from stamp_tf.references.reference import Reference

AT_ONCE = FinetuneConfig(epochs=0)


def test_the_full_network_keeps_every_channel(tiny: Any, make_problem: Callable[..., Any]) -> None:
    assert Full().propose(make_problem(tiny)).mask.keeps_all


def test_nothing_is_asked_to_go(small: Reference, shades: DataSet) -> None:
    result = prune(shades, small, method="full", finetune=AT_ONCE)
    assert (result.params_fraction, result.flops_fraction) == (1.0, 1.0)


@pytest.mark.parametrize("limit", [{"max_flops": 0.5}, {"keep_params": 0.5}, {"within": 0.01}])
def test_limits_are_refused(limit: dict[str, float]) -> None:
    with pytest.raises(StampError, match=r"full removes nothing, but got --.*; leave it out"):
        choose_pruner(PruneConfig(method="full", **limit))


def test_uniform_l1_is_l1(tiny: Any, make_problem: Callable[..., Any]) -> None:
    problem = make_problem(tiny)
    np.testing.assert_array_equal(UniformL1().propose(problem).scores, L1Norm().propose(problem).scores)


def test_a_name_that_says_uniform_takes_no_other_allocation() -> None:
    with pytest.raises(StampError, match="uniform-l1 takes no options, but got allocation"):
        choose_pruner(PruneConfig(method="uniform-l1", max_flops=0.5, options={"allocation": "global"}))


def test_a_name_fixes_an_option() -> None:
    assert with_fixed(PruneConfig(method="stamp-structure")).structure_only
    assert not with_fixed(PruneConfig(method="stamp")).structure_only


def test_an_option_against_the_name_is_refused() -> None:
    with pytest.raises(StampError, match="refit must not be given with --structure-only"):
        with_fixed(PruneConfig(method="stamp-structure", refit=True))


def test_stamp_structure_starts_from_fresh_weights(small: Reference, shades: DataSet) -> None:
    common = {"max_flops": 0.7, "finetune": AT_ONCE}
    named = prune(shades, small, method="stamp-structure", **common)
    spelt = prune(shades, small, method="stamp", structure_only=True, **common)
    assert named.config.structure_only
    for one, other in zip(named.model.get_weights(), spelt.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
