"""IHT-Reptile: a step of Reptile, an exact number of weights after thresholding, and weights that are free again."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from stamp_tf.baselines.iht_reptile import IhtReptileOptions, Reptile
from stamp_tf.channels import Budget
from stamp_tf.data import DataSet
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference

OPTIONS = IhtReptileOptions(rounds=1, tasks=2, ways=3, shots=4, inner_steps=3, inner_rate=0.05)


@pytest.fixture
def reptile(small: Reference, shades: DataSet) -> Reptile:
    problem = Target.of(small, shades).problem(PruneConfig(), budget=Budget(keep_params=0.3))
    return Reptile(problem, OPTIONS)


def kernels(reptile: Reptile) -> dict[str, np.ndarray]:
    by_path = {weight.path: np.array(weight) for weight in reptile.model.weights}
    return {path: by_path[path] for path in reptile.kept.kept}


def test_a_step_goes_part_of_the_way_to_the_weights_of_a_task(reptile: Reptile) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(12, 16, 16, 3)).astype("float32")
    labels = np.repeat([0, 1, 2], 4).astype("int32")
    copy = keras.models.clone_model(reptile.model)
    copy.set_weights(reptile.model.get_weights())
    before = [np.array(weight) for weight in copy.trainable_variables]
    copy.compile(keras.optimizers.SGD(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(3):
        copy.train_on_batch(images, labels)
    reptile.move(images, labels, rate=0.4)
    for weight, old, new in zip(
        reptile.model.trainable_variables, before, copy.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(weight, old + 0.4 * (np.array(new) - old), rtol=1e-4, atol=1e-6)


def test_the_largest_weights_stay_and_the_others_are_free_again_after_the_sparse_half(
    reptile: Reptile,
) -> None:
    before = np.concatenate([value.ravel() for value in kernels(reptile).values()])
    reptile.threshold(600)
    removed = {path: ~kept for path, kept in reptile.kept.kept.items()}
    assert reptile.kept.num_kept == 600
    left = np.concatenate([value.ravel() for value in kernels(reptile).values()])
    np.testing.assert_array_equal(np.sort(np.abs(left))[-600:], np.sort(np.abs(before))[-600:])
    reptile.learn()
    for path, value in kernels(reptile).items():
        assert not value[removed[path]].any()
    reptile.free()
    reptile.learn()
    for path, value in kernels(reptile).items():
        assert value[removed[path]].any() or not removed[path].any()


def test_a_run_keeps_what_the_limit_leaves(small: Reference, shades: DataSet) -> None:
    result = prune(
        shades,
        small,
        method="iht-reptile",
        keep_params=0.3,
        options={"rounds": 1, "tasks": 1, "inner_steps": 1},
        finetune=FinetuneConfig(epochs=0),
    )
    full = int(result.cost.full[0])
    assert full - result.weights.num_removed == int(0.3 * full)
    for weight in result.model.weights:
        if weight.path in result.weights.kept:
            assert not np.array(weight)[~result.weights.kept[weight.path]].any()
