"""How much each group matters: one group is cut at a time, and the network is as it was afterwards."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.channels import slice_model
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.inspection.inspect import inspect
from stamp_tf.inspection.page import render_inspection
from stamp_tf.inspection.sensitivity import KEPT, Sensitivity, cut_of_group, sensitivity
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.trial import with_held_out
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    """Four colours, with noise."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4, dtype="int32"), 60)
    colours = np.array([[80, 80, 80], [80, 120, 80], [120, 80, 80], [80, 80, 120]])
    images = colours[labels][:, None, None] + rng.integers(0, 100, (240, 8, 8, 3))
    part = ImageSet(images.astype("uint8"), labels, 4, class_names=("a", "b", "c", "d"))
    return DataSet("colours", part, part)


@pytest.fixture(scope="module")
def reference() -> Reference:
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 3), name="image")
    for name, channels in (("first", 4), ("second", 8)):
        x = layers.Conv2D(channels, 3, activation="relu", name=name)(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return reference_of_model(
        keras.Model(image, layers.Dense(4, name="logits")(x), name="two"), pixels="standardized"
    )


@pytest.fixture(scope="module")
def found(reference: Reference, dataset: DataSet) -> Sensitivity:
    return sensitivity(reference, dataset)


def test_a_cut_costs_what_the_sliced_network_loses(
    reference: Reference, dataset: DataSet, found: Sensitivity
) -> None:
    part = with_held_out(dataset, seed=0)
    normalization = reference.normalization_for(part.train)
    model = full_network(reference, part, normalization=normalization, head=None, seed=0)

    def accuracy(network: keras.Model) -> float:
        return evaluate_accuracy(network, part.test, normalization=normalization)

    assert found.full == accuracy(model) > 0.8
    norms = l1_norms(model, reference.channel_map)
    for row, group in enumerate(reference.channel_map.groups):
        for column, kept in enumerate(KEPT):
            mask = cut_of_group(norms, group, kept=kept)
            sliced = slice_model(model, reference.channel_map, mask)
            assert found.accuracy[row, column] == accuracy(sliced)
    assert found.lost.max() > 20


def test_the_network_stays_as_it_is(reference: Reference, dataset: DataSet) -> None:
    before = reference.model.get_weights()
    sensitivity(reference, dataset)
    for old, new in zip(before, reference.model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_best_of_one_group_stay_and_all_of_the_others(reference: Reference) -> None:
    first, second = reference.channel_map.groups
    values = np.array([3.0, 1, 4, 2, 9, 8, 7, 6, 5, 4, 3, 2])
    assert cut_of_group(values, first, kept=0.5).values.tolist() == [1, 0, 1, 0] + [1] * 8
    assert cut_of_group(values, second, kept=0.01).values.tolist() == [1] * 5 + [0] * 7


def test_the_page_has_a_row_a_group(reference: Reference, found: Sensitivity) -> None:
    page = render_inspection(dataclasses.replace(inspect(reference), sensitivity=found))
    assert page.count('<td class="shade">') == 2 * len(KEPT)
    assert f"{-found.lost[0, -1]:+.1f}" in page
