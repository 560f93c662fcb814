"""Meta-training with a head in closed form, and masks that follow from labelled images."""

from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.layers.class_separation import ClassSeparation
from stamp_tf.meta.meta_train import MetaTrainConfig, meta_train
from stamp_tf.pruning.prune import prune
from stamp_tf.references.reference import BackboneConfig, Reference, load_reference
from stamp_tf.storage.runs import RunDirectory
from stamp_tf.training.finetune import FinetuneConfig

pytestmark = pytest.mark.usefixtures("backbones")

SHAPE = (8, 8, 3)
OPTIONS = {
    "set_encoder": "images",
    "mask_generator": "class-separation",
    "inner": "ridge",
    "outer_steps": 2,
    "tasks": 2,
    "ways": 3,
    "shots": 4,
    "inner_batches": 2,
    "budgets": (0.3, 1.0),
}


@pytest.fixture
def reference(dataset: DataSet) -> Reference:
    keras.utils.set_random_seed(3)
    config = BackboneConfig("tiny", SHAPE, 6)
    made = Reference(config, config.build(), None, Normalization.of(dataset.train))
    made.scores = np.random.default_rng(0).normal(size=made.channel_map.num_channels).astype("float32")
    return made


def weights_of(reference: Reference) -> list[np.ndarray]:
    return [np.array(w) for w in reference.model.weights if "logits" not in w.path]


def test_fixed_weights_stay_and_the_generator_learns(dataset, reference, tmp_path):
    before = weights_of(reference)
    result = meta_train(
        dataset, reference, tmp_path / "run", config=MetaTrainConfig(**OPTIONS, fixed_weights=True)
    )
    for old, new in zip(before, weights_of(result), strict=True):
        np.testing.assert_array_equal(new, old)
    assert isinstance(result.mask_generator, ClassSeparation)
    assert np.abs(np.asarray(result.mask_generator.gains) - 0.2).max() > 0


def test_free_weights_learn_too(dataset, reference, tmp_path):
    before = weights_of(reference)
    result = meta_train(dataset, reference, tmp_path / "run", config=MetaTrainConfig(**OPTIONS))
    assert any(np.abs(new - old).max() > 0 for old, new in zip(before, weights_of(result), strict=True))


def test_what_was_saved_proposes_the_same_masks(dataset, reference, tmp_path):
    result = meta_train(dataset, reference, tmp_path / "run", config=MetaTrainConfig(**OPTIONS))
    loaded = load_reference(RunDirectory(tmp_path / "run").reference)
    part = loaded.draw_set(dataset.train, 24, seed=0)
    np.testing.assert_array_equal(np.bincount(part.labels), [4] * 6)
    ours, theirs = (
        one.propose_scores(part.images, normalization=result.normalization, labels=part.labels)
        for one in (loaded, result)
    )
    np.testing.assert_array_equal(ours, theirs)
    swapped = loaded.propose_scores(
        part.images, normalization=result.normalization, labels=(part.labels + np.arange(24)) % 6
    )
    assert np.abs(swapped - ours).max() > 1e-3


def test_labels_are_asked_for(dataset, reference, tmp_path):
    result = meta_train(dataset, reference, tmp_path / "run", config=MetaTrainConfig(**OPTIONS))
    with pytest.raises(StampError, match="needs the labels of the set"):
        result.propose_scores(dataset.train.images, normalization=result.normalization)


@pytest.mark.parametrize("set_encoder", ["images", "deep-sets"])
def test_a_data_set_is_pruned_by_its_classes(dataset, reference, tmp_path, set_encoder: str):
    options = OPTIONS | {"set_encoder": set_encoder, "outer_steps": 1}
    if set_encoder == "deep-sets":
        options["set_encoder_options"] = {"width": 8, "resolution": 4, "num_outputs": 2}
    result = meta_train(dataset, reference, tmp_path / "run", config=MetaTrainConfig(**options))
    pruned = prune(dataset, result, max_flops=0.6, finetune=FinetuneConfig(epochs=0))
    assert pruned.flops_fraction <= 0.6
    assert pruned.test_accuracy > 0.5


def test_masks_adapt_to_a_target_by_steps(dataset, reference, tmp_path):
    result = meta_train(dataset, reference, tmp_path / "run", config=MetaTrainConfig(**OPTIONS))
    pruned = prune(
        dataset, result, max_flops=0.6, finetune=FinetuneConfig(epochs=0), options={"epochs_prune": 1.0}
    )
    assert pruned.flops_fraction <= 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner": "sgd"}, "inner must be 'adam' or 'ridge', but is 'sgd'"),
        ({"inner_batches": 1}, "--inner ridge needs --sparsity budgets and 2 or more --inner-batches"),
        ({"sparsity": "kl"}, "--inner ridge needs --sparsity budgets and 2 or more --inner-batches"),
        ({"inner": "adam", "fixed_weights": True}, "--fixed-weights is for --inner ridge, but got adam"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message: str):
    with pytest.raises(StampError, match=message):
        MetaTrainConfig(**OPTIONS | options)


def test_the_folder_stays_empty_where_options_do_not_fit(dataset, reference, tmp_path):
    folder: Path = tmp_path / "run"
    with pytest.raises(StampError, match="--ways must be at most"):
        meta_train(dataset, reference, folder, config=MetaTrainConfig(**OPTIONS | {"ways": 9, "shots": 2}))
    assert not folder.exists()
