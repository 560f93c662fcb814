"""What a network can be refitted on, and what is refused."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.refit.inputs import in_batches, sampled_inputs


def network(shape: tuple[int | None, ...] = (4, 4, 3)) -> keras.Model:
    image = keras.Input(shape, name="image")
    return keras.Model(image, layers.Conv2D(2, 1)(image))


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 4, 4, 3)).astype("float32")


def sampled(inputs: Any, *, most: int = 100, model: keras.Model | None = None) -> Any:
    return sampled_inputs(model or network(), inputs, most=most, seed=0)


def test_arrays_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(sampled(images()), images())


def test_numbers_that_numpy_does_not_know_are_taken() -> None:
    given = keras.ops.cast(images(), "bfloat16")
    found = sampled(given)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, keras.ops.convert_to_numpy(keras.ops.cast(given, "float32")))


def words(dtype: str = "int32") -> keras.Model:
    indices = keras.Input((5,), dtype=dtype, name="words")
    return keras.Model(indices, layers.Dense(2)(layers.Embedding(20, 3)(indices)))


def test_whole_numbers_may_come_as_floats() -> None:
    values = np.random.default_rng(0).integers(0, 20, (6, 5))
    np.testing.assert_array_equal(sampled(values.astype("float32"), model=words()), values)


@pytest.mark.parametrize(
    ("dtype", "value", "match"),
    [
        ("int32", 0.5, "from -2147483648 to 2147483647 for words .int32., but hold 0.5; give"),
        ("int32", np.nan, "but hold nan"),
        ("int32", 2.0**40, "but hold 1.09951e"),
        ("uint8", -1.0, "whole numbers from 0 to 255 for words .uint8., but hold -1"),
    ],
)
def test_an_input_of_whole_numbers_takes_no_others(dtype: str, value: float, match: str) -> None:
    values = np.random.default_rng(0).integers(0, 20, (6, 5)).astype("float64")
    values[2, 3] = value
    with pytest.raises(StampError, match=match):
        sampled(values, model=words(dtype))


def test_of_many_a_random_part_is_taken() -> None:
    values = np.arange(50, dtype="float32")[:, None, None, None] * np.ones((1, 4, 4, 3), "float32")
    part, again = (sampled(values, most=7) for _ in range(2))
    numbers = part[:, 0, 0, 0]
    assert len(set(numbers)) == 7
    assert list(numbers) != list(range(7))
    np.testing.assert_array_equal(part, again)


def test_a_pipeline_without_an_end_is_read_as_far_as_needed() -> None:
    read = []

    def endless() -> Any:
        for number in itertools.count():
            read.append(number)
            yield images(4) + number

    assert sampled(endless(), most=10).shape == (10, 4, 4, 3)
    assert len(read) == 3


@pytest.mark.parametrize("labels", [(), (np.zeros(6),), (np.zeros(6), np.ones(6))])
def test_labels_and_weights_of_a_pipeline_are_left_aside(labels: tuple[np.ndarray, ...]) -> None:
    np.testing.assert_array_equal(sampled([(images(), *labels)]), images())


def test_a_tensorflow_pipeline() -> None:
    import tensorflow as tf

    pipeline = tf.data.Dataset.from_tensor_slices((images(), np.zeros(6))).batch(4).repeat()
    np.testing.assert_array_equal(sampled(pipeline, most=6), images())


def test_inputs_by_name_keep_their_nest() -> None:
    inputs = {"b": keras.Input((2,), name="b"), "a": keras.Input((3,), name="a")}
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()([inputs["a"], inputs["b"]])))
    given = {"a": np.random.default_rng(0).normal(size=(5, 3)), "b": np.ones((5, 2))}
    for values in (sampled(given, model=model), sampled([given], model=model)):
        assert {name: value.shape for name, value in values.items()} == {"a": (5, 3), "b": (5, 2)}


def test_names_count_and_not_their_order() -> None:
    first, second = keras.Input((2,), name="zeta"), keras.Input((2,), name="alpha")
    model = keras.Model([first, second], layers.Dense(2)(layers.Concatenate()([first, second])))
    given = {"alpha": np.random.default_rng(0).normal(size=(4, 2)), "zeta": np.ones((4, 2))}
    for inputs in (given, [given], iter([(given, np.zeros(4))])):
        zeta, alpha = sampled(inputs, model=model)
        np.testing.assert_array_equal(zeta, given["zeta"])
        np.testing.assert_array_equal(alpha, given["alpha"])


def test_batches_are_the_same_at_every_call() -> None:
    values = np.random.default_rng(0).normal(size=(300, 4, 4, 3))
    batches = in_batches(values)
    for _ in range(2):
        parts = list(batches())
        assert len(parts) > 1
        np.testing.assert_array_equal(np.concatenate(parts), values)


def test_large_images_come_in_small_batches() -> None:
    assert len(next(in_batches(np.zeros((40, 256, 256, 3), "uint8"))())) == 21


WRONG = {
    "another size": (
        images()[:, :3],
        r"inputs must have shape \[n, 4, 4, 3\] for image, but have \(6, 3, 4, 3\)",
    ),
    "one example": (images()[0], r"but have \(4, 4, 3\); add an axis over examples"),
    "none": (images(0), "inputs must be at least one example"),
    "not finite": (np.where(images() > 1, np.nan, images()), "inputs must be finite, but hold NaN"),
    "constant": (np.ones((5, 4, 4, 3)), "inputs must differ, but all 5 are alike"),
    "text": (np.full((5, 4, 4, 3), "a"), "inputs must be numbers, but are <U1"),
    "more than labels and weights": ([(np.ones(3), 1, 2, 3)], r"must have shape .* but have \(3,\)"),
    "a nest in a batch": ([([images(), images()],)], "in 1 array, but are 2"),
    "two arrays": (
        {"a": images(), "b": images()},
        "must have the names image, but have a, b; give one array for each of them",
    ),
    "an empty pipeline": (iter(()), "inputs must hold at least one batch"),
    "a number": (3, "inputs must be arrays or an iterable of batches, but are int"),
    "a name": ("photos", "inputs must be arrays or an iterable of batches, but are str"),
    "a pipeline of single examples": (iter(images()), "add an axis over examples"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(name: str) -> None:
    inputs, message = WRONG[name]
    with pytest.raises(StampError, match=message):
        sampled(inputs)
