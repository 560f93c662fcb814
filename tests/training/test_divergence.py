"""Training that is no longer finite stops at once, says so, and leaves the last good state."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.finite import not_finite, weight_values
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.references.reference import Reference
from stamp_tf.storage.checkpoints import load_state
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.training import reference_steps
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune
from stamp_tf.training.lost import warn_if_lost

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)
Train = Callable[..., Reference]


def network(num_classes: int = 4) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    outputs = keras.layers.Dense(num_classes, name="logits")(keras.layers.GlobalMaxPooling2D()(x))
    return keras.Model(inputs, outputs, name="toy")


@pytest.fixture
def poison_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the weights of whatever trains next NaN before its nth plain step."""
    compile_step = reference_steps.compile_plain_step

    def at_step(number: int) -> None:
        def compiled(model: keras.Model, optimizer: keras.optimizers.Optimizer, **options: Any) -> Any:
            step, calls = compile_step(model, optimizer, **options), []

            def run(*inputs: Any) -> Any:
                calls.append(None)
                if len(calls) == number:
                    model.trainable_variables[-1].assign(model.trainable_variables[-1] * np.nan)
                return step(*inputs)

            return run

        monkeypatch.setattr(reference_steps, "compile_plain_step", compiled)

    return at_step


@pytest.mark.parametrize("rate", [1e30, 1e300])
def test_fine_tuning_names_step_epoch_and_rate(toy_set: DataSet, rate: float) -> None:
    model = network()
    before = model.get_weights()
    config = FinetuneConfig(epochs=2, batch_size=16, learning_rate=rate)
    with pytest.raises(DivergenceError) as caught:
        finetune(model, toy_set, normalization=NORMALIZATION, config=config)
    message = str(caught.value)
    assert message.startswith("Fine-tuning must stay finite, but the ")
    assert (
        f"of 6 (epoch 1, learning rate {rate:.3g}); take a smaller --learning-rate" in message
        or "step" in message
    )
    assert "or --clip-norm 1. The network has the weights of epoch 0 again." in message
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_fine_tuning_goes_back_to_the_last_whole_epoch(
    toy_set: DataSet, poison_at: Callable[[int], None], tmp_path: Path
) -> None:
    model = network()
    config = FinetuneConfig(epochs=3, batch_size=16, learning_rate=0.01, schedule="step", evaluate=False)
    poison_at(5)
    with pytest.raises(
        DivergenceError, match=r"the loss was nan at step 5 of 9 \(epoch 2, learning rate 0.0"
    ):
        finetune(model, toy_set, normalization=NORMALIZATION, config=config, checkpoints=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]
    arrays, _ = load_state(tmp_path / "step-00000001.npz")
    for variable in model.variables:
        np.testing.assert_array_equal(variable, arrays[f"model/{variable.path}"])


def test_a_single_step_that_ruins_the_statistics_is_named(toy_set: DataSet) -> None:
    """Its loss was that of the weights before it."""
    config = FinetuneConfig(epochs=2, batch_size=52, learning_rate=1e30)
    with pytest.raises(DivergenceError, match=r"after step 1 of 2 \(epoch 1, learning rate 1e\+30\)"):
        finetune(network(), toy_set, normalization=NORMALIZATION, config=config)


def test_mixed_precision_diverges_alike(toy_set: DataSet) -> None:
    model = network()
    config = FinetuneConfig(epochs=1, batch_size=16, learning_rate=1e30, mixed_precision=True)
    with pytest.raises(DivergenceError, match="Fine-tuning must stay finite"):
        finetune(model, toy_set, normalization=NORMALIZATION, config=config)
    assert not not_finite(weight_values(model))


def test_a_network_that_ends_worse_than_it_began_is_told(
    toy_set: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    model = network()
    good = FinetuneConfig(epochs=8, batch_size=16, learning_rate=0.05, augment=False)
    finetune(model, toy_set, normalization=NORMALIZATION, config=good)
    caplog.clear()
    bad = FinetuneConfig(epochs=1, batch_size=16, learning_rate=1e4)
    with caplog.at_level(logging.WARNING, "stamp_tf"):
        records = finetune(model, toy_set, normalization=NORMALIZATION, config=bad)
    assert records[-1].test_accuracy < 0.6
    assert len(caplog.messages) == 1
    assert "where chance is 25.0 % and" in caplog.messages[0]
    assert "the learning rate was 10000, try a smaller --learning-rate" in caplog.messages[0]


def images_of(counts: list[int]) -> ImageSet:
    labels = np.repeat(np.arange(len(counts), dtype="int32"), counts)
    names = tuple(map(str, range(len(counts))))
    return ImageSet(np.zeros((len(labels), 1, 1, 1), "uint8"), labels, len(counts), class_names=names)


def test_the_remedy_is_said_in_words_of_the_caller(
    messages_in_python: None, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_lost("Training", 0.1, test=images_of([9, 9]), remedy="try a smaller `learning_rate`")
    assert caplog.messages[0].endswith("try a smaller learning_rate.")


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [(0.9, 0.88, False), (0.9, 0.6, True), (0.5, 0.25, True), (None, 0.27, True), (None, 0.3, False)],
)
def test_losses_within_the_scatter_are_not_told(
    caplog: pytest.LogCaptureFixture, before: float | None, after: float, is_told: bool
) -> None:
    warn_if_lost("Training", after, before=before, test=images_of([250] * 4), remedy="try less")
    assert bool(caplog.messages) == is_told


def test_naming_the_most_frequent_class_is_chance(caplog: pytest.LogCaptureFixture) -> None:
    warn_if_lost("Training", 0.7, test=images_of([700, 200, 100]), remedy="try less")
    assert "70.0 % of the test images right, where chance is 70.0 %; try less." in caplog.messages[0]


@pytest.mark.parametrize("changes", [{}, {"epochs": 0, "budget_epochs": 1}], ids=["plain", "at budgets"])
def test_pretraining_stops_and_keeps_its_files_finite(
    train: Train, tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(DivergenceError) as caught:
        train(run.path, learning_rate=1e30, budget_learning_rate=1e30, **changes)
    message = str(caught.value)
    assert "Pretraining must stay finite, but the " in message
    assert "at step 2 of " in message
    assert f"{run.path} holds no epoch yet; --resume would come to the same step again" in message
    assert not run.metrics.exists()
    assert not run.reference.exists()


def test_pretraining_keeps_the_state_of_the_last_whole_epoch(
    train: Train, poison_at: Callable[[int], None], tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    poison_at(5)
    with pytest.raises(DivergenceError, match=rf"step 5 of 9 .*The state of epoch 1 is in {run.path}"):
        train(run.path, epochs=3, budget_epochs=0)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000001.npz"]
    assert [json.loads(line)["epoch"] for line in run.metrics.read_text().splitlines()] == [1]


def test_logits_that_are_not_finite_are_never_right(toy_set: DataSet) -> None:
    model = network()
    # Of the first class alone: NumPy's argmax takes NaN for the largest, so that those images would be right.
    model.get_layer("logits").bias.assign([np.nan, 0, 0, 0])
    with pytest.raises(StampError, match=r"toy gives NaN or infinity for 20 of 20 test images"):
        evaluate_accuracy(model, toy_set.test, normalization=NORMALIZATION)
