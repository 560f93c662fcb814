"""What the full network is worth beside the pruned one."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.data.validation import with_validation
from stamp_tf.measure.full_accuracy import FullAccuracy
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.measure_full import FIGURES, with_full
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult
from stamp_tf.training.accuracy import count_hits
from stamp_tf.training.finetune import finetune

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def result() -> PruneResult:
    """A network that was cut to a half and trained for two epochs."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 3, use_bias=False, name="conv")(layers.Rescaling(1 / 127.5, -1)(inputs))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    model = keras.Model(inputs, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        pixels = rng.integers(0, 150, (count, *SHAPE)) + 3 * labels[:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("a", "b", "c"))

    dataset = DataSet("shades", images(90), images(60))
    config = FinetuneConfig(epochs=2, batch_size=30, learning_rate=0.05)
    return prune(dataset, model, method="l1", max_flops=0.6, finetune=config)


def asked(result: PruneResult) -> PruneResult:
    """Return the same with fine-tuning of the full network asked for."""
    return dataclasses.replace(result, config=dataclasses.replace(result.config, baseline=True))


def test_accuracy_is_that_of_the_full_network_with_a_new_head(result: PruneResult) -> None:
    model = full_network(
        result.reference, result.dataset, normalization=result.normalization, head=None, seed=0, refits=True
    )
    counts = count_hits(model, result.dataset.test, normalization=result.normalization)
    found = with_full(result)
    assert found.full == FullAccuracy(accuracy=counts.accuracy, images=60, has_new_head=True)
    assert found.times["full"] > 0
    assert found.seconds == result.seconds


def test_a_head_that_is_kept_is_said_to_be_its_own(result: PruneResult) -> None:
    kept = dataclasses.replace(result, config=dataclasses.replace(result.config, head="keep"))
    full = with_full(kept).full
    assert not full.has_new_head
    assert "with its own head, not fine-tuned" in full.in_words()[0]


def test_fine_tuning_is_that_of_the_pruned_network(result: PruneResult) -> None:
    model = full_network(
        result.reference, result.dataset, normalization=result.normalization, head=None, seed=0, refits=True
    )
    finetune(model, result.dataset, normalization=result.normalization, config=result.config.finetune)
    counts = count_hits(model, result.dataset.test, normalization=result.normalization)
    found = with_full(asked(result))
    assert (found.full.tuned_accuracy, found.full.tuned_epochs) == (counts.accuracy, 2)
    assert found.times["baseline"] > found.full.tuned_seconds > 0
    assert found.seconds == result.seconds


def test_figures_on_disk_are_not_measured_again(result: PruneResult, tmp_path: Path) -> None:
    first = with_full(asked(result), states=tmp_path / "full")
    again = with_full(asked(result), states=tmp_path / "full")
    assert again.full == first.full
    assert not {"full", "baseline"} & set(again.times)
    anew = with_full(asked(result), states=tmp_path / "full", resume=False)
    assert {"full", "baseline"} <= set(anew.times)


def test_a_damaged_figure_is_measured_again(
    result: PruneResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = with_full(result, states=tmp_path)
    (tmp_path / FIGURES).write_text("{")
    assert with_full(result, states=tmp_path).full == first.full
    assert "testing the full network again" in caplog.text


def test_interrupted_fine_tuning_goes_on_to_the_same_figure(result: PruneResult, tmp_path: Path) -> None:
    def interrupt(phase: str, done: int, total: int, figures: object) -> None:
        if (phase, done) == ("baseline", 5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_full(asked(result), states=tmp_path, on_step=interrupt)
    steps: list[tuple[str, int]] = []
    found = with_full(
        asked(result), states=tmp_path, on_step=lambda phase, done, *rest: steps.append((phase, done))
    )
    assert steps == [("baseline", 4), ("baseline", 5), ("baseline", 6)]
    assert found.full.tuned_accuracy == with_full(asked(result)).full.tuned_accuracy


def test_a_full_network_that_diverges_costs_its_figure_alone(
    result: PruneResult, caplog: pytest.LogCaptureFixture
) -> None:
    tuned = dataclasses.replace(result.config.finetune, learning_rate=1e30, clip_norm=None)
    config = dataclasses.replace(result.config, baseline=True, finetune=tuned)
    full = with_full(dataclasses.replace(result, config=config)).full
    assert full.tuned_accuracy is None
    assert "the full network has no figure with fine-tuning" in caplog.text


def test_images_that_judge_epochs_are_kept_from_everything_before(result: PruneResult) -> None:
    """Rankings, refit and head are of the others alone; what is told of the data set is of all."""
    tuned = dataclasses.replace(result.config.finetune, val_split=0.3)
    made = prune(result.dataset, result.reference, config=dataclasses.replace(result.config, finetune=tuned))
    split = with_validation(result.dataset, 0.3, seed=0)
    alone = prune(split, result.reference, config=dataclasses.replace(result.config, finetune=tuned))
    for ours, theirs in zip(made.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert made.dataset is result.dataset
    assert [record.test_accuracy for record in made.records] == [None] * 3
    counts = count_hits(made.model, result.dataset.test, normalization=result.normalization)
    assert made.test_accuracy == counts.accuracy
    assert with_full(made).full == with_full(alone).full
