"""Epochs judged by training images that are held out: which are, whose weights are kept, and when it ends."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.data.validation import with_validation
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.best_epoch import best_epoch, is_hopeless
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.training.finetune import finetune

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)


def shades(num_images: int, *, seed: int) -> ImageSet:
    """Return images of three classes whose levels overlap, so that accuracy moves up and down."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_images, dtype="int32") % 3
    level = 90 + 8 * labels + rng.normal(0, 8, num_images)
    images = level[:, None, None, None] + rng.normal(0, 20, (num_images, 6, 6, 3))
    return ImageSet(images.clip(0, 255).astype("uint8"), labels, 3, class_names=("a", "b", "c"))


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    return DataSet("shades", shades(90, seed=0), shades(30, seed=1), flips=False)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5, name="norm")(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x)))


def options(**changed: Any) -> FinetuneConfig:
    usual: dict[str, Any] = {"epochs": 8, "batch_size": 16, "learning_rate": 1.0, "schedule": "step"}
    return FinetuneConfig(**{**usual, "val_split": 0.3, **changed})


def trained(dataset: DataSet, model: keras.Model, **given: Any) -> list[EpochRecord]:
    changed = {name: given.pop(name) for name in list(given) if name not in ("checkpoints", "on_step")}
    return finetune(model, dataset, normalization=NORMALIZATION, config=options(**changed), **given)


def epochs(*accuracies: float | None) -> list[EpochRecord]:
    return [
        EpochRecord(
            epoch=epoch, seconds=0.0, train_loss=None, test_accuracy=None, validation_accuracy=accuracy
        )
        for epoch, accuracy in enumerate(accuracies)
    ]


def test_a_share_of_every_class_is_held_out_by_the_seed_alone(dataset: DataSet) -> None:
    split, again, other = (with_validation(dataset, 0.3, seed=seed) for seed in (0, 0, 1))
    assert np.bincount(split.validation.labels).tolist() == [9, 9, 9]
    assert np.bincount(split.train.labels).tolist() == [21, 21, 21]
    np.testing.assert_array_equal(split.validation.images, again.validation.images)
    assert (split.validation.images != other.validation.images).any()
    both = {image.tobytes() for part in (split.train, split.validation) for image in part.images}
    assert both == {image.tobytes() for image in dataset.train.images}
    assert split.test is dataset.test


def test_a_part_that_is_there_is_taken(dataset: DataSet) -> None:
    split = with_validation(dataset, 0.3, seed=0)
    assert with_validation(split, 0.5, seed=0) is split
    assert with_validation(dataset, None, seed=0) is dataset


def test_classes_of_one_image_leave_nothing_to_hold_out(dataset: DataSet) -> None:
    single = DataSet("single", dataset.train.take(np.arange(3)), dataset.test)
    with pytest.raises(StampError, match="--val-split needs two training images of a class"):
        with_validation(single, 0.2, seed=0)


def test_test_images_are_not_looked_at(dataset: DataSet) -> None:
    records = trained(dataset, network(), epochs=2)
    assert all(record.test_accuracy is None for record in records)
    assert all(record.validation_accuracy is not None for record in records)


def test_weights_of_the_best_epoch_are_kept(dataset: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = network()
    records = trained(dataset, model)
    best = best_epoch(records)
    assert best.epoch < records[-1].epoch, "the example shows nothing"
    held_out = with_validation(dataset, 0.3, seed=0).validation
    assert evaluate_accuracy(model, held_out, normalization=NORMALIZATION) == best.validation_accuracy
    assert best.validation_accuracy > records[-1].validation_accuracy
    assert f"The weights of epoch {best.epoch} are kept" in caplog.text


def test_the_last_epoch_is_kept_where_that_is_asked_for(dataset: DataSet) -> None:
    last, blind = network(), network()
    trained(dataset, last, keep_epoch="last")
    trained(dataset, blind, evaluate=False)
    for ours, theirs in zip(last.get_weights(), blind.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("stop_at", [3, 14, 30])
def test_a_resumed_run_keeps_the_same_epoch(dataset: DataSet, tmp_path: Path, stop_at: int) -> None:
    unbroken, resumed = network(), network()
    records = trained(dataset, unbroken, patience=6)

    def stop(done: int, *_: object) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(dataset, network(), patience=6, checkpoints=tmp_path, on_step=stop)
    again = trained(dataset, resumed, patience=6, checkpoints=tmp_path)
    assert [one.validation_accuracy for one in again] == [one.validation_accuracy for one in records]
    for ours, theirs in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_finished_run_gives_its_best_epoch_again(dataset: DataSet, tmp_path: Path) -> None:
    first, second = network(), network()
    trained(dataset, first, checkpoints=tmp_path)
    trained(dataset, second, checkpoints=tmp_path)
    for ours, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_training_ends_where_nothing_better_comes(dataset: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    records = trained(dataset, network(), patience=2, epochs=30)
    assert len(records) < 31
    assert is_hopeless(records, 2)
    assert not is_hopeless(records[:-1], 2)
    assert f"ends after epoch {records[-1].epoch} of 30: 2 epochs brought nothing better" in caplog.text


def test_the_later_of_two_best_epochs_is_taken() -> None:
    assert best_epoch(epochs(0.2, 0.9, None, 0.9, 0.5)).epoch == 3
    assert best_epoch(epochs(None, None)) is None


def test_patience_counts_from_the_first_of_the_best_epochs() -> None:
    assert is_hopeless(epochs(0.2, 0.9, 0.9, 0.9), 2)
    assert not is_hopeless(epochs(0.2, 0.9, 0.9), 2)
    assert not is_hopeless(epochs(0.2, 0.9, 0.9, 0.9), None)
    assert not is_hopeless(epochs(None, None, None, None), 1)


@pytest.mark.parametrize(
    ("given", "words"), [({"patience": 3}, "--patience 3"), ({"keep_epoch": "best"}, "--keep-epoch best")]
)
def test_what_needs_images_held_out_says_so(given: dict[str, Any], words: str) -> None:
    with pytest.raises(StampError, match=f"{words} needs images to judge epochs by.*--val-split 0.2"):
        FinetuneConfig(**given)


def test_the_usual_rate_goes_by_the_images_that_are_left(caplog: pytest.LogCaptureFixture) -> None:
    from stamp_tf.training.finetune import resolve_options

    images = DataSet("shades", shades(90, seed=0), shades(30, seed=1))
    settings = {"epochs": 12, "batch_size": 32}
    whole = resolve_options(FinetuneConfig(**settings), images, own_model=False)
    part = resolve_options(FinetuneConfig(val_split=0.3, **settings), images, own_model=False)
    assert (whole.learning_rate, part.learning_rate) == (0.2, 0.05)


def test_no_share_holds_out_nothing() -> None:
    assert FinetuneConfig(val_split=0).val_split is None


def test_more_held_out_than_trained_on_is_a_warning(
    dataset: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    with_validation(dataset, 0.5, seed=0)
    assert "left to train on" not in caplog.text
    with_validation(dataset, 0.99, seed=0)
    assert "--val-split holds 87 of the 90 training images out, so that 3 are left to train on" in caplog.text
