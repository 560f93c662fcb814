"""Edge-Popup: weights that stay as they were drawn, a mask that learns, and a fraction of every kernel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.baselines.edge_popup import popped
from stamp_tf.data import DataSet
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult
from stamp_tf.references.reference import Reference

ASKED: dict[str, Any] = {"method": "edge-popup", "keep_params": 0.3}


@pytest.fixture(scope="module")
def found() -> dict[int, PruneResult]:
    """Results by the number of epochs that scores took."""
    return {}


def pruned(found: dict[int, PruneResult], small: Reference, shades: DataSet, epochs: int) -> PruneResult:
    if epochs not in found:
        training = FinetuneConfig(epochs=epochs, batch_size=12, evaluate=False)
        found[epochs] = prune(shades, small, **ASKED, finetune=training)
    return found[epochs]


def kernels(result: PruneResult) -> dict[str, np.ndarray]:
    return {weight.path: np.asarray(weight) for weight in result.model.weights}


def test_the_highest_absolute_scores_stay_and_get_the_gradient_straight_through() -> None:
    weights = tf.constant([[2.0, -1.0], [3.0, 0.5]])
    scores = tf.Variable([[0.1, -0.9], [-0.4, 0.2]])
    with tf.GradientTape() as tape:
        left = popped(weights, scores, 2)
        loss = tf.reduce_sum(left * [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(left, [[0, -1], [3, 0]])
    # dL/dscore = weight * dL/dweight * sign of the score, for the weights that are out, too.
    np.testing.assert_allclose(tape.gradient(loss, scores), [[2, 2], [-9, 2]])


def test_weights_stay_as_they_were_drawn(
    found: dict[int, PruneResult], small: Reference, shades: DataSet
) -> None:
    before, after = (pruned(found, small, shades, epochs) for epochs in (0, 8))
    assert before.weights != after.weights
    for path, kept in after.weights.kept.items():
        both = kept & before.weights.kept[path]
        np.testing.assert_array_equal(kernels(after)[path][both], kernels(before)[path][both])
        assert len(np.unique(np.abs(kernels(after)[path][kept]))) == 1
    for name in ("gamma", "beta", "bias"):
        for path, value in kernels(after).items():
            if path.endswith(name):
                np.testing.assert_array_equal(value, np.full_like(value, name == "gamma"))


def test_every_kernel_keeps_its_fraction(
    found: dict[int, PruneResult], small: Reference, shades: DataSet
) -> None:
    result = pruned(found, small, shades, 8)
    full = int(result.cost.full[0])
    others = full - result.weights.num_weights
    fraction = (math.floor(0.3 * full) - others) / result.weights.num_weights
    for kept in result.weights.kept.values():
        assert kept.sum() == max(1, math.floor(fraction * kept.size))
    assert result.params_fraction <= 0.3


def test_the_mask_learns(found: dict[int, PruneResult], small: Reference, shades: DataSet) -> None:
    assert pruned(found, small, shades, 8).test_accuracy > pruned(found, small, shades, 0).test_accuracy


def test_no_fine_tuning_follows(found: dict[int, PruneResult], small: Reference, shades: DataSet) -> None:
    assert len(pruned(found, small, shades, 8).records) == 1
