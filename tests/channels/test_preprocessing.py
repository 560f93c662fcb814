"""Layers that were adapted to data, and those that bring files, compute in the smaller network as before."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from .lost_channels import Tensor, assert_same_before, halves, tail


def adapted(layer: layers.Layer, data: np.ndarray) -> layers.Layer:
    layer.adapt(data)
    return layer


NUMBERS = np.random.default_rng(0).normal(3, 10, (64, 6)).astype("float32")


WORDS = np.array([["a b"], ["c a"], ["d"]])


PREPROCESSING = {
    "discretization": (lambda: adapted(layers.Discretization(num_bins=5, name="state"), NUMBERS), NUMBERS),
    "discretization, one hot": (
        lambda: adapted(layers.Discretization(num_bins=5, output_mode="one_hot", name="state"), NUMBERS),
        NUMBERS,
    ),
    "normalization": (lambda: adapted(layers.Normalization(name="state"), NUMBERS), NUMBERS),
    "words": (
        lambda: adapted(layers.StringLookup(name="state"), np.array(["a", "b", "c"])),
        np.array([["c"], ["z"]]),
    ),
    "words, one hot": (
        lambda: adapted(
            layers.StringLookup(output_mode="multi_hot", name="state"), np.array(["a", "b", "c"])
        ),
        np.array([["c"], ["z"]]),
    ),
    "words, weighted": (
        lambda: adapted(
            layers.StringLookup(output_mode="tf_idf", name="state"), np.array([["a"], ["b"], ["a"]])
        ),
        np.array([["a"], ["z"]]),
    ),
    "integers, weighted": (
        lambda: adapted(layers.IntegerLookup(output_mode="tf_idf", name="state"), np.array([[5], [7], [5]])),
        np.array([[7], [8]]),
    ),
    "text, weighted": (
        lambda: adapted(layers.TextVectorization(output_mode="tf_idf", name="state"), WORDS),
        np.array([["b"], ["a d"]]),
    ),
    "integers": (
        lambda: adapted(layers.IntegerLookup(name="state"), np.array([5, 7, 9])),
        np.array([[7], [8]]),
    ),
    "text": (
        lambda: adapted(layers.TextVectorization(output_sequence_length=4, name="state"), WORDS),
        WORDS,
    ),
    "categories": (
        lambda: layers.CategoryEncoding(num_tokens=4, output_mode="count", name="state"),
        np.array([[1, 3], [0, 1]]),
    ),
    "hashing": (lambda: layers.Hashing(7, salt=11, name="state"), np.array([["c"], ["z"]])),
}


@pytest.mark.parametrize("kind", PREPROCESSING)
def test_preprocessing_keeps_what_it_was_adapted_to(kind: str) -> None:
    make, data = PREPROCESSING[kind]
    kinds = {"U": "string", "i": "int64", "f": "float32"}
    inputs = keras.Input(data.shape[1:], dtype=kinds[data.dtype.kind])
    x = make()(inputs)
    model = keras.Model(inputs, tail(ops.cast(x, "float32")))
    data = ops.convert_to_tensor(data)
    smaller = halves(model)
    assert smaller.get_layer("lost").units == 3
    assert_same_before(model, smaller, "state", data)


class Listed(layers.Layer):
    """Knows words of its own beside a weight, as a vocabulary in a file."""

    words: tuple[str, ...] = ()

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(), name="scale")

    def call(self, x: Tensor) -> Tensor:
        return x * self.scale

    def save_assets(self, folder: str) -> None:
        Path(folder, "words.txt").write_text(" ".join(self.words))

    def load_assets(self, folder: str) -> None:
        self.words = tuple(Path(folder, "words.txt").read_text().split())


class Unsaved(layers.Layer):
    """Cannot write what it knows."""

    def call(self, x: Tensor) -> Tensor:
        return 2 * x

    def save_assets(self, folder: str) -> None:
        raise OSError("no")


def test_files_of_a_layer_with_weights_come_along() -> None:
    layer, row = Listed(name="state"), keras.Input((6,))
    model = keras.Model(row, tail(layer(row)))
    layer.words = ("a", "b")
    assert halves(model).get_layer("state").words == ("a", "b")


def test_a_layer_that_cannot_save_itself_is_copied() -> None:
    row = keras.Input((6,))
    assert halves(keras.Model(row, tail(Unsaved(name="state")(row)))).get_layer("lost").units == 3
