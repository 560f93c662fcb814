"""Steps towards the outputs of the full network, without labels."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.training.output_distillation import distill_outputs


def network(*, seed: int, width: int = 8) -> keras.Model:
    """Two inputs by name, two outputs of very different scale, and one of whole numbers."""
    keras.utils.set_random_seed(seed)
    image, number = keras.Input((6, 6, 2), name="image"), keras.Input((3,), name="number")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(width, 3, activation="relu", name="conv")(image))
    x = layers.Dropout(0.5)(layers.Concatenate()([layers.GlobalAveragePooling2D()(x), number]))
    large = layers.Rescaling(1000.0)(layers.Dense(2, name="large")(x))
    outputs = {"large": large, "small": layers.Dense(4, activation="softmax", name="small")(x)}
    outputs["class"] = keras.ops.argmax(outputs["small"], axis=-1)
    return keras.Model({"image": image, "number": number}, outputs)


def inputs(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    return {
        "image": rng.normal(size=(count, 6, 6, 2)).astype("float32"),
        "number": rng.normal(size=(count, 3)).astype("float32"),
    }


def missing(model: keras.Model, small: keras.Model, values: Any) -> float:
    """The error by hand: mean squares over the variance of each output's numbers, over both outputs."""
    wanted, given = model(values), small(values)
    parts = []
    for name in ("large", "small"):
        one, other = np.asarray(wanted[name], "float64"), np.asarray(given[name], "float64")
        parts.append(np.square(one - other).mean() / one.var(axis=0).mean())
    return float(sum(parts))


def test_outputs_come_nearer_on_inputs_that_were_not_shown_too() -> None:
    model, small, values = network(seed=1), network(seed=2, width=6), inputs(100)
    before, unseen = missing(model, small, values), missing(model, small, inputs(50))
    steps: list[tuple[int, int]] = []
    distilled = distill_outputs(
        model, small, values, num_steps=60, seed=0, on_step=lambda *step: steps.append(step)
    )
    assert distilled.before == pytest.approx(before, rel=1e-4)
    assert distilled.after == pytest.approx(missing(model, small, values), rel=1e-4)
    assert distilled.after < 0.9 * before
    assert missing(model, small, inputs(50)) < 0.95 * unseen
    assert steps == [(number, 60) for number in range(1, 61)]


def test_only_trained_weights_of_the_small_network_move_and_the_result_is_the_same_again() -> None:
    model, twin, results = network(seed=1), network(seed=1), []
    for _ in range(2):
        small = network(seed=2, width=6)
        statistics = [np.asarray(value) for value in small.non_trainable_variables]
        distill_outputs(model, small, inputs(40), num_steps=5, seed=3)
        results.append(small.get_weights())
        for old, new in zip(statistics, small.non_trainable_variables, strict=True):
            np.testing.assert_array_equal(old, new)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    for old, new in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_steps_that_do_not_help_are_taken_back(caplog) -> None:
    model, small = network(seed=1), network(seed=2, width=6)
    before = small.get_weights()
    distilled = distill_outputs(model, small, inputs(40), num_steps=3, seed=0, learning_rate=100.0)
    assert distilled.after == distilled.before
    assert "3 steps towards the full network's outputs did not help; none is kept." in caplog.text
    for old, new in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_network_without_anything_to_train_is_refused() -> None:
    model, small = network(seed=1), network(seed=2)
    small.trainable = False
    with pytest.raises(
        StampError, match=r"--distill-steps needs weights that are trained, but .* leave it out"
    ):
        distill_outputs(model, small, inputs(40), num_steps=3, seed=0)
