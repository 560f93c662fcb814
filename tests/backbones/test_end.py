"""The end of a network: found by what it computes, taken off, and put back."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.backbones.end import put_back, split_end
from stamp_tf.ends import End
from stamp_tf.errors import StampError

Tail = Callable[[keras.KerasTensor], keras.KerasTensor]


def network(tail: Tail) -> keras.Model:
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="conv")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, tail(x), name="mine")


def dense(units: int, activation: object = None) -> layers.Dense:
    # Narrow weights would hide one activation behind another.
    start = keras.initializers.RandomNormal(stddev=3.0, seed=0)
    return layers.Dense(units, activation, kernel_initializer=start, name="classes")


def by_hand(x: keras.KerasTensor) -> keras.KerasTensor:
    shares = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
    return shares / ops.sum(shares, axis=-1, keepdims=True)


def through_a_convolution(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.Reshape((1, 1, 5))(x)
    return layers.Flatten(name="out")(layers.Conv2D(4, 1, activation="softmax")(x))


FOUND: dict[str, tuple[Tail, End]] = {
    "logits": (dense(4), End()),
    "in the dense layer": (dense(4, "softmax"), End("softmax")),
    "a function of keras.ops": (dense(4, ops.softmax), End("softmax")),
    "a layer as the argument": (dense(4, layers.Softmax()), End("softmax")),
    "log_softmax": (dense(4, "log_softmax"), End("log_softmax")),
    "a layer": (lambda x: layers.Softmax(name="out")(dense(4)(x)), End("softmax", layer="out")),
    "an activation layer": (
        lambda x: layers.Activation("softmax", name="out")(dense(4)(x)),
        End("softmax", layer="out"),
    ),
    "an operation": (
        lambda x: layers.Identity(name="out")(ops.softmax(dense(4)(x))),
        End("softmax", layer="out"),
    ),
    "by hand": (lambda x: layers.Identity(name="out")(by_hand(dense(4)(x))), End("softmax", layer="out")),
    "more behind it": (
        lambda x: layers.Reshape((4,), name="out")(layers.Dropout(0.5)(dense(4, "softmax")(x))),
        End("softmax", layer="out"),
    ),
    "dropout before it": (
        lambda x: layers.Activation("softmax", name="out")(layers.Dropout(0.5)(dense(4)(x))),
        End("softmax", layer="out"),
    ),
    "a convolution": (through_a_convolution, End("softmax", layer="out")),
    "a sigmoid per class": (dense(4, "sigmoid"), End("sigmoid")),
    "sigmoids as operation": (
        lambda x: layers.Identity(name="out")(ops.sigmoid(dense(4)(x))),
        End("sigmoid", layer="out"),
    ),
    "one sigmoid": (dense(1, "sigmoid"), End("sigmoid", is_binary=True)),
    "one logit": (dense(1), End(is_binary=True)),
    "nothing behind it": (
        lambda x: layers.Activation("linear", name="out")(dense(4)(x)),
        End("linear", layer="out"),
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_it_is_found_taken_off_and_put_back(case: str) -> None:
    tail, end = FOUND[case]
    model = network(tail)
    logits, found = split_end(model)
    assert found == end
    assert End.from_config(found.to_config()) == end
    images = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype("float32")
    expected = np.asarray(model(images))
    activation = keras.activations.get(found.activation)
    np.testing.assert_allclose(activation(logits(images)), expected, atol=1e-5)
    again = put_back(logits, found)
    np.testing.assert_allclose(again(images), expected, atol=1e-6)
    assert again.output_names == model.output_names
    assert [weight.path for weight in logits.weights] == [weight.path for weight in model.weights]


def test_temperature_is_kept_below_the_softmax() -> None:
    model = network(lambda x: ops.softmax(dense(4)(x) / 3.0))
    logits, end = split_end(model)
    images = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype("float32")
    assert end.activation == "softmax"
    np.testing.assert_allclose(ops.softmax(logits(images)), model(images), atol=1e-6)


def test_the_model_is_not_changed() -> None:
    model = network(dense(4, "softmax"))
    config = model.get_config()
    split_end(model)
    assert model.get_config() == config


REFUSED: dict[str, tuple[Tail, str]] = {
    "relu": (dense(4, "relu"), r"classes \(relu\)"),
    "tanh": (dense(4, "tanh"), r"classes \(tanh\)"),
    "softplus": (dense(1, "softplus"), r"classes \(softplus\)"),
    "a layer": (lambda x: layers.LeakyReLU(name="last")(dense(4)(x)), r"last \(LeakyReLU\)"),
    "with weights": (lambda x: layers.PReLU(name="last")(dense(4)(x)), r"last \(PReLU\)"),
    "an operation": (lambda x: ops.relu(dense(4)(x)), r"relu\w* \(Relu\)"),
    "a maximum": (lambda x: ops.maximum(dense(4)(x), 0.0), r"maximum\w* \(Maximum\)"),
    "over the batch": (lambda x: layers.Softmax(axis=0, name="last")(dense(4)(x)), r"last \(Softmax\)"),
    "softmax of one": (dense(1, "softmax"), r"classes \(softmax\)"),
    "scaled behind": (lambda x: dense(4, "softmax")(x) * 2.0, r"classes \(softmax\)"),
    "a mean of two": (
        lambda x: layers.Average()([layers.Dense(4, "softmax", name="one")(x), dense(4, "softmax")(x)]),
        r"one \(softmax\)",
    ),
    "both shares": (
        lambda x: layers.Concatenate()([1 - (p := dense(1, "sigmoid")(x)), p]),
        r"classes \(sigmoid\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_ends_are_refused_by_name(case: str) -> None:
    tail, named = REFUSED[case]
    with pytest.raises(
        StampError, match=f"must end in logits, a softmax .* but mine ends in {named}; end it in"
    ):
        split_end(network(tail))


@pytest.mark.parametrize(
    "tail",
    [
        lambda x: layers.Add()([dense(4)(x), layers.Dense(4, "tanh")(x)]),
        lambda x: layers.Multiply()([dense(4)(x), layers.Dense(4, "sigmoid")(x)]),
        lambda x: layers.BatchNormalization()(dense(4)(x)),
        lambda x: layers.Rescaling(0.5)(dense(4)(x)),
    ],
    ids=["sum", "gate", "normalised", "scaled"],
)
def test_sums_and_gated_values_are_logits(tail: Tail) -> None:
    model = network(tail)
    assert split_end(model) == (model, End())
