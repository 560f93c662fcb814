"""The full network as a teacher of the smaller one."""

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.backbones.head import head_layer
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.prune import prune
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.training.accuracy import evaluate_accuracy

SHAPE = (8, 8, 3)


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 3, use_bias=False, name="conv")(layers.Rescaling(1 / 127.5, -1)(inputs))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    return keras.Model(
        inputs, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)), name="mine"
    )


def dataset() -> DataSet:
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        pixels = rng.integers(0, 120, (count, *SHAPE)) + 50 * labels[:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("a", "b", "c"))

    return DataSet("shades", images(60), images(30))


def teacher(model: keras.Model, *, head: str | None) -> keras.Model:
    reference = reference_of_model(model)
    return full_network(reference, dataset(), normalization=reference.normalization, head=head, seed=0)


def test_a_head_that_is_kept_leaves_the_network_as_it_is() -> None:
    model = network()
    for ours, theirs in zip(teacher(model, head="keep").get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("head", [None, "logistic", "ridge", "random"])
def test_otherwise_statistics_and_head_are_those_of_the_target(head: str | None) -> None:
    model, normalization = network(), reference_of_model(network()).normalization
    full = teacher(model, head=head)
    np.testing.assert_array_equal(full.get_layer("conv").kernel, model.get_layer("conv").kernel)
    assert not np.allclose(full.get_layer("norm").moving_mean, model.get_layer("norm").moving_mean)
    assert not np.allclose(head_layer(full).kernel, head_layer(model).kernel)
    assert evaluate_accuracy(full, dataset().test, normalization=normalization) > 0.9


def test_its_head_is_fitted_as_that_of_the_smaller_network() -> None:
    usual, logistic, ridge = (
        np.asarray(head_layer(teacher(network(), head=head)).kernel)
        for head in ("random", "logistic", "ridge")
    )
    np.testing.assert_array_equal(usual, logistic)
    assert not np.allclose(ridge, logistic)


def test_pruning_learns_from_it_only_where_it_is_asked_to() -> None:
    def pruned(**options: object) -> object:
        config = FinetuneConfig(epochs=1, batch_size=20, **options)
        return prune(dataset(), network(), method="l1", max_flops=0.6, finetune=config)

    alone, taught = pruned(), pruned(distill=0.9)
    assert "teacher" not in alone.times
    assert taught.times["teacher"] > 0
    assert taught.seconds > taught.times["teacher"] + taught.times["finetune"]
    kernels = [np.asarray(result.model.get_layer("conv").kernel) for result in (alone, taught)]
    assert not np.array_equal(*kernels)
