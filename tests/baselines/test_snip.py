"""Masks of single weights by SNIP: exact, by hand, and held through fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.baselines.snip import Snip, SnipPretrained
from stamp_tf.channels import Budget
from stamp_tf.data import Batches, DataSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.choose import choose_pruner
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.reference import Reference
from stamp_tf.weight_mask import kernels_of

SHORT = FinetuneConfig(epochs=2, batch_size=12, learning_rate=0.05)


class Interrupted(Exception):
    """Stands for Ctrl+C."""


def limited(problem: PruningProblem, fraction: float) -> PruningProblem:
    import dataclasses

    return dataclasses.replace(
        problem,
        budget=Budget(keep_params=fraction),
        config=PruneConfig(method="snip-pretrained", head="keep", keep_params=fraction),
    )


def test_the_largest_products_of_weight_and_gradient_stay(
    tiny: Any, make_problem: Callable[..., PruningProblem]
) -> None:
    problem = limited(make_problem(tiny), 0.7)
    kept = SnipPretrained().propose(problem).weights.kept
    batches = Batches(
        problem.dataset.train, 3, normalization=problem.normalization, seed=problem.seed, augment=False
    )
    images, labels = next(iter(batches.epoch(0)))
    kernels = kernels_of(tiny)
    with tf.GradientTape() as tape:
        logits = tiny(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    products = np.concatenate(
        [np.abs(kernel * gradient).ravel() for kernel, gradient in zip(kernels, gradients, strict=True)]
    )
    chosen = np.concatenate([kept[kernel.path].ravel() for kernel in kernels])
    assert products[chosen].min() >= products[~chosen].max()


@pytest.mark.parametrize("method", ["snip", "snip-pretrained"])
def test_exactly_the_fraction_stays_other_than_zero_through_fine_tuning(
    small: Reference, shades: DataSet, method: str
) -> None:
    result = prune(shades, small, method=method, keep_params=0.3, finetune=SHORT)
    full = sum(math.prod(weight.shape) for weight in result.model.trainable_variables)
    assert result.num_params == math.floor(0.3 * full)
    assert result.flops_fraction == 1.0
    kernels = {kernel.path: np.asarray(kernel) for kernel in kernels_of(result.model)}
    others = full - sum(kernel.size for kernel in kernels.values())
    assert others + sum(np.count_nonzero(kernel) for kernel in kernels.values()) == result.num_params
    for path, kept in result.weights.kept.items():
        np.testing.assert_array_equal(kernels[path] != 0, kept)


def test_what_stays_is_trained(small: Reference, shades: DataSet) -> None:
    at_once = FinetuneConfig(epochs=0)
    before = prune(shades, small, method="snip-pretrained", keep_params=0.3, finetune=at_once)
    after = prune(shades, small, method="snip-pretrained", keep_params=0.3, finetune=SHORT)
    assert before.weights == after.weights
    first, last = (np.asarray(result.model.get_layer("conv2").kernel) for result in (before, after))
    assert (first != last)[first != 0].all()


def test_random_weights_are_none_of_the_references(small: Reference, shades: DataSet) -> None:
    at_once = FinetuneConfig(epochs=0)
    reference = dict(zip((w.path for w in small.model.weights), small.model.get_weights(), strict=True))
    for method, is_same in (("snip", False), ("snip-pretrained", True)):
        result = prune(shades, small, method=method, keep_params=0.3, finetune=at_once)
        kernel = np.asarray(result.model.get_layer("conv1").kernel)
        kept = result.weights.kept["conv1/kernel"]
        assert np.allclose(kernel[kept], reference["conv1/kernel"][kept]) is is_same


def test_an_interrupted_run_comes_to_the_same_network(
    small: Reference, shades: DataSet, tmp_path: Path
) -> None:
    def interrupt(phase: str, done: int, total: int, figures: Any) -> None:
        if (phase, done) == ("finetune", 3):
            raise Interrupted

    asked = {"method": "snip", "keep_params": 0.3, "finetune": SHORT}
    whole = prune(shades, small, **asked)
    with pytest.raises(Interrupted):
        prune(shades, small, **asked, checkpoints=tmp_path, on_step=interrupt)
    resumed = prune(shades, small, **asked, checkpoints=tmp_path)
    assert resumed.weights == whole.weights
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"max_flops": 0.5},
            r"removes single weights.* so that --max-flops cannot be met; .* --keep-params 0\.1",
        ),
        ({}, r"needs to know how many weights stay.* --keep-params 0\.1"),
        ({"keep_params": 0.5, "round_to": 8}, "--round-to is about channels"),
        ({"keep_params": 0.5, "structure_only": True}, "--structure-only is about channels"),
        ({"within": 0.01}, "--within is about channels"),
    ],
)
def test_what_single_weights_cannot_do_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StampError, match=message):
        choose_pruner(PruneConfig(method="snip", **options))


def test_a_limit_below_what_is_in_no_kernel_is_refused(small: Reference, shades: DataSet) -> None:
    with pytest.raises(StampError, match=r"--keep-params must leave a weight beside .* raise it above 0\.0"):
        prune(shades, small, method="snip", keep_params=0.01)


def test_another_head_than_a_random_one_is_refused(small: Reference, shades: DataSet) -> None:
    with pytest.raises(
        StampError, match="snip starts from random weights, but --head ridge asks for another"
    ):
        prune(shades, small, method="snip", keep_params=0.5, head="ridge")


def test_a_budget_leaves_no_more(tiny: Any, make_problem: Callable[..., PruningProblem]) -> None:
    problem = limited(make_problem(tiny), 0.8)
    weights = Snip().propose(problem_with_head(problem)).weights
    left = int(problem.cost.full[0]) - weights.num_removed
    assert left == math.floor(0.8 * problem.cost.full[0])


def problem_with_head(problem: PruningProblem) -> PruningProblem:
    import dataclasses

    return dataclasses.replace(problem, config=dataclasses.replace(problem.config, head=None))
