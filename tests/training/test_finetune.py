"""Fine-tuning: it learns, resumes, and half precision leaves a float32 network."""

from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.training.finetune import finetune

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)


def stripes(num_images: int, *, seed: int) -> ImageSet:
    """Return images whose rows or columns alternate: two classes that a small network tells apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_images, dtype="int32") % 2
    images = rng.integers(0, 60, (num_images, 8, 8, 3))
    images[labels == 0, ::2] += 150
    images[labels == 1, :, ::2] += 150
    return ImageSet(images.astype("uint8"), labels, 2, class_names=("rows", "columns"))


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    return DataSet("stripes", stripes(64, seed=0), stripes(32, seed=1), flips=False)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, name="conv")(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5, name="norm")(x))
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(keras.layers.GlobalMaxPooling2D()(x)))


def test_it_learns_and_records_every_epoch(dataset: DataSet) -> None:
    config = FinetuneConfig(epochs=6, batch_size=16, learning_rate=0.1, augment=False)
    records = finetune(network(), dataset, normalization=NORMALIZATION, config=config)
    assert [record.epoch for record in records] == list(range(7))
    assert records[-1].train_loss < records[1].train_loss
    assert records[-1].test_accuracy > 0.9
    assert all(later.seconds > earlier.seconds for earlier, later in pairwise(records))


def test_statistics_at_the_end_are_those_of_the_training_images(dataset: DataSet) -> None:
    """One epoch's steps are too few for moving averages to get there."""
    model = network()
    config = FinetuneConfig(epochs=1, batch_size=16, learning_rate=0.1)
    finetune(model, dataset, normalization=NORMALIZATION, config=config)
    activations = np.asarray(model.get_layer("conv")(NORMALIZATION(dataset.train.images)))
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, activations.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, activations.var(axis=(0, 1, 2)), rtol=1e-4)


def test_looking_at_accuracy_changes_nothing(dataset: DataSet) -> None:
    watched, unwatched = network(), network()
    for model, evaluate in ((watched, True), (unwatched, False)):
        config = FinetuneConfig(epochs=2, batch_size=16, evaluate=evaluate)
        finetune(model, dataset, normalization=NORMALIZATION, config=config)
    for ours, theirs in zip(watched.get_weights(), unwatched.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_accuracy_is_measured_after_the_epochs_asked_for(dataset: DataSet) -> None:
    config = FinetuneConfig(epochs=3, batch_size=16, evaluate=(1, 3))
    records = finetune(network(), dataset, normalization=NORMALIZATION, config=config)
    assert [record.test_accuracy is not None for record in records] == [False, True, False, True]


def test_no_epochs_leave_the_network_as_it_is(dataset: DataSet) -> None:
    model = network()
    before = model.get_weights()
    records = finetune(model, dataset, normalization=NORMALIZATION, config=FinetuneConfig(epochs=0))
    assert [record.epoch for record in records] == [0]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_resumed_run_ends_where_an_unbroken_one_does(dataset: DataSet, tmp_path: Path) -> None:
    config = FinetuneConfig(epochs=3, batch_size=16)
    unbroken = network()
    finetune(unbroken, dataset, normalization=NORMALIZATION, config=config)

    class Stop(Exception):
        pass

    def stop_in_the_second_epoch(done: int, total: int, figures: object) -> None:
        if done == 6:
            raise Stop

    broken = network()
    with pytest.raises(Stop):
        finetune(
            broken,
            dataset,
            normalization=NORMALIZATION,
            config=config,
            checkpoints=tmp_path,
            on_step=stop_in_the_second_epoch,
        )
    resumed = network()
    finetune(resumed, dataset, normalization=NORMALIZATION, config=config, checkpoints=tmp_path)
    for ours, theirs in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


QUICK = {"batch_size": 16, "learning_rate": 0.1, "augment": False}


def test_training_ends_two_epochs_after_the_images_are_learnt(
    dataset: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="stamp_tf")
    rates = []
    records = finetune(
        network(),
        dataset,
        normalization=NORMALIZATION,
        config=FinetuneConfig(done_at_loss=0.1, **QUICK),
        on_step=lambda done, total, figures: rates.append(total),
    )
    losses = [record.train_loss for record in records[1:]]
    first = next(index for index, loss in enumerate(losses) if loss < 0.1)
    assert len(losses) == first + 3 < 20
    assert losses[first + 1] != losses[first]
    assert (rates[0], rates[-1]) == (20 * 4, len(losses) * 4)
    assert f"ends after epoch {len(losses)} of 20" in caplog.text


def test_the_rate_falls_to_zero_from_where_the_images_are_learnt(dataset: DataSet) -> None:
    """At a rate of zero nothing moves: the last steps of a training that ends early are its smallest."""
    model, weights = network(), []
    finetune(
        model,
        dataset,
        normalization=NORMALIZATION,
        config=FinetuneConfig(done_at_loss=0.1, momentum=0.0, **QUICK),
        on_step=lambda *_: weights.append(np.array(model.get_layer("conv").kernel)),
    )
    moves = [float(np.abs(after - before).max()) for before, after in pairwise(weights)]
    assert moves[-1] < 0.3 * moves[-8]


def test_a_resumed_run_ends_as_early_as_an_unbroken_one(dataset: DataSet, tmp_path: Path) -> None:
    config = FinetuneConfig(done_at_loss=0.1, **QUICK)
    unbroken, resumed = network(), network()
    records = finetune(unbroken, dataset, normalization=NORMALIZATION, config=config, checkpoints=tmp_path)
    states = sorted(tmp_path.iterdir())
    states[-1].unlink()
    again = finetune(resumed, dataset, normalization=NORMALIZATION, config=config, checkpoints=tmp_path)
    assert [record.train_loss for record in again] == [record.train_loss for record in records]
    for ours, theirs in zip(resumed.get_weights(), unbroken.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("given", "taken"), [({}, (20, 0.02)), ({"epochs": 20}, (20, 0.0))])
def test_as_many_epochs_as_were_asked_for_are_taken(given: dict, taken: tuple[int, float]) -> None:
    config = FinetuneConfig(**given).resolved(own_model=False, num_steps=100)
    assert (config.epochs, config.done_at_loss) == taken


def test_a_training_that_starts_anew_takes_nothing_from_the_states_of_another(
    dataset: DataSet, tmp_path: Path
) -> None:
    finetune(
        network(),
        dataset,
        normalization=NORMALIZATION,
        config=FinetuneConfig(epochs=3, batch_size=16),
        checkpoints=tmp_path,
    )
    config = FinetuneConfig(epochs=1, batch_size=16, learning_rate=0.01)
    alone, anew = network(), network()
    finetune(alone, dataset, normalization=NORMALIZATION, config=config)
    records = finetune(
        anew, dataset, normalization=NORMALIZATION, config=config, checkpoints=tmp_path, resume=False
    )
    assert [record.epoch for record in records] == [0, 1]
    for ours, theirs in zip(anew.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]


def test_mixed_precision_trains_and_leaves_float32(dataset: DataSet) -> None:
    model = network()
    before = model.get_weights()
    config = FinetuneConfig(epochs=1, batch_size=16, mixed_precision=True)
    finetune(model, dataset, normalization=NORMALIZATION, config=config)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert any((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("own_model", "num_steps", "rate", "clip_norm"),
    [(False, 30, 0.2, None), (False, 29, 0.05, None), (False, 0, 0.2, None), (True, 100, 0.05, 1.0)],
)
def test_what_is_left_open_depends_on_whose_network_it_is_and_how_long_it_is_trained(
    own_model: bool, num_steps: int, rate: float, clip_norm: float | None
) -> None:
    open_options = FinetuneConfig().resolved(own_model=own_model, num_steps=num_steps)
    assert (open_options.learning_rate, open_options.clip_norm) == (rate, clip_norm)
    given = FinetuneConfig(epochs=20, done_at_loss=0.0, learning_rate=0.01, clip_norm=3.0)
    assert given.resolved(own_model=own_model, num_steps=num_steps) == given


@pytest.mark.parametrize(("rate", "is_said"), [(None, True), (0.2, False)])
def test_a_rate_that_is_lowered_for_a_short_training_is_said(
    caplog: pytest.LogCaptureFixture, rate: float | None, is_said: bool
) -> None:
    caplog.set_level("INFO")
    FinetuneConfig(learning_rate=rate).resolved(own_model=False, num_steps=7)
    assert ("7 steps only, and so its rate starts at 0.05 instead of 0.2" in caplog.text) == is_said


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(StampError, match="schedule must be 'cosine' or 'step', but is 'linear'"):
        FinetuneConfig(schedule="linear")


def test_mixed_precision_takes_operations_along(dataset: DataSet) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="conv")((inputs - 0.25) * 2.0)
    logits = keras.layers.Dense(2, name="logits")(keras.layers.GlobalMaxPooling2D()(x)) / 2.0
    model = keras.Model(inputs, logits)
    images = NORMALIZATION(dataset.test.images)
    twin = keras.models.clone_model(model)
    config = FinetuneConfig(epochs=4, batch_size=16, learning_rate=0.1, mixed_precision=True, augment=False)
    records = finetune(model, dataset, normalization=NORMALIZATION, config=config)
    assert records[-1].test_accuracy > 0.9
    assert {variable.dtype for variable in model.weights} == {"float32"}
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(images), twin(images))
