"""The comparison of sliced and full networks: what it finds, and where it holds its tongue."""

import logging
from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

import stamp_tf
from stamp_tf.channels import slice_model, trace_channels
from stamp_tf.channels.draw import draw_inputs
from stamp_tf.errors import StampError

Tensor = keras.KerasTensor


class Table:
    """State that nobody can look into."""

    def __init__(self, number: float) -> None:
        self.number = number


class Hidden(layers.Layer):
    """Computes with an object that is set after construction."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.table = Table(1.0)

    def call(self, x: Tensor) -> Tensor:
        return x * self.table.number


class Noisy(layers.Layer):
    """Answers differently each time."""

    def call(self, x: Tensor) -> Tensor:
        return x + np.random.default_rng().normal()


class Picky(layers.Layer):
    """Refuses all but what nobody would draw."""

    def call(self, x: Tensor) -> Tensor:
        if float(ops.max(x)) != 17.0:
            raise ValueError("only 17 will do")
        return x

    def compute_output_spec(self, x: Tensor, **_: object) -> Tensor:
        return keras.KerasTensor(x.shape, x.dtype)


def network(layer: layers.Layer, *, size: int | None = 6) -> keras.Model:
    image = keras.Input((size, size, 3))
    x = layers.Conv2D(4, 1, name="lost", activation="relu")(image)
    x = layers.Conv2D(4, 1, name="middle")(layer(x))
    return keras.Model(image, layers.Dense(2, name="end")(layers.GlobalAveragePooling2D()(x)), name="net")


MASK = {"middle": [1, 0, 1, 1]}


def test_the_first_layer_that_differs_is_named() -> None:
    layer = Hidden(name="odd")
    layer.table = Table(3.0)
    with pytest.raises(
        StampError, match=r"must compute what the full one does .* but odd gives other numbers"
    ):
        stamp_tf.remove_channels(network(layer), MASK)


def test_nested_layers_are_named_by_their_path() -> None:
    layer, inner = Hidden(name="odd"), keras.Input((6, 6, 4))
    layer.table = Table(3.0)
    model = network(keras.Model(inner, layer(layers.ReLU()(inner)), name="inner"))
    with pytest.raises(StampError, match="but inner/odd gives other numbers"):
        stamp_tf.remove_channels(model, MASK)


@pytest.mark.parametrize(
    ("layer", "word"),
    [(Noisy, "answers differently each time"), (Picky, "does not run on random inputs .*only 17 will do")],
)
def test_what_cannot_be_compared_is_let_through_with_a_word(
    layer: type[layers.Layer], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "stamp_tf.channels.check"):
        smaller = stamp_tf.remove_channels(network(layer(name="odd")), MASK)
    assert smaller.get_layer("middle").filters == 3
    (line,) = caplog.messages
    assert line.startswith("The sliced net is not compared with the full one: ")
    assert pytest.approx(1) == len(__import__("re").findall(word, line))


def test_huge_networks_are_let_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stamp_tf.channels.check.MAX_NUMBERS", 100)
    with caplog.at_level(logging.INFO, "stamp_tf.channels.check"):
        stamp_tf.remove_channels(network(layers.ReLU()), MASK)
    assert "it writes 438 numbers for one input" in caplog.text


def test_random_layers_and_open_sizes_are_compared(caplog: pytest.LogCaptureFixture) -> None:
    layer = keras.Sequential([layers.Dropout(0.5), layers.BatchNormalization()])
    model = network(layer, size=None)
    states = [np.asarray(variable) for variable in model.variables]
    with caplog.at_level(logging.INFO, "stamp_tf.channels.check"):
        stamp_tf.remove_channels(model, MASK)
    assert not caplog.messages
    for before, after in zip(states, model.variables, strict=True):
        np.testing.assert_array_equal(before, after)


def test_soft_masks_agree() -> None:
    model = network(layers.DepthwiseConv2D(3, padding="same"))
    channel_map = trace_channels(model)
    slice_model(model, channel_map, np.linspace(0, 1, channel_map.num_channels), check=True)


@pytest.mark.parametrize(
    "function", [lambda x: ops.exp(x * 1e3), ops.sqrt, lambda x: 1.0 / ops.relu(x), lambda x: x * 1e36 * 1e36]
)
def test_removed_channels_that_are_no_numbers_are_no_difference(function: Callable[[Tensor], Tensor]) -> None:
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="middle")(function(layers.Conv2D(4, 1, name="lost")(image)))
    model = keras.Model(image, x)
    for seed, channel in enumerate(range(4)):
        model.get_layer("lost").kernel.assign(np.random.default_rng(seed).normal(size=(1, 1, 3, 4)))
        smaller = stamp_tf.remove_channels(model, {"lost": np.arange(4) != channel})
        assert smaller.get_layer("lost").filters == 3


def test_a_network_without_finite_numbers_is_let_through_with_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "stamp_tf.channels.check"):
        stamp_tf.remove_channels(network(layers.Rescaling(float("inf"))), MASK)
    assert "it gives no finite number on random inputs" in caplog.text


def test_inputs_are_drawn_by_their_types_and_the_same_each_time() -> None:
    inputs = {
        "image": keras.Input((4, None, 3), name="image"),
        "index": keras.Input((), dtype="int32", name="index"),
        "word": keras.Input((1,), dtype="string", name="word"),
        "flag": keras.Input((2,), dtype="bool", name="flag"),
    }
    words = layers.StringLookup(vocabulary=["x", "y"])(inputs["word"])
    outputs = [ops.sum(inputs["image"], axis=(1, 2, 3)), inputs["index"], words, inputs["flag"]]
    model = keras.Model(inputs, outputs)
    first, second = draw_inputs(model, 3), draw_inputs(model, 3)
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    assert {name: value.shape for name, value in first.items()} == {
        "image": (3, 4, 64, 3), "index": (3,), "word": (3, 1), "flag": (3, 2)
    }  # fmt: skip
    assert set(first["index"]) <= {0, 1}
    assert set(first["word"].ravel()) <= {"x", "y"}
    assert first["image"][2].max() > 100
