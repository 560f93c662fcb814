"""What a layer knows beyond its weights comes along, whichever way its twin is made."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import rules, slice_model, trace_channels, twin

from .lost_channels import Tensor, assert_same_before, halves, tail

NUMBERS = np.random.default_rng(0).normal(3, 10, (64, 6)).astype("float32")


class Calibrated(layers.Layer):
    """A layer whose numbers are set after construction, and that says nothing of them."""

    def __init__(self, function: Callable[[Tensor], Tensor] = ops.relu, **options: object) -> None:
        super().__init__(**options)
        self.function, self.offsets, self.steps = function, None, []

    def call(self, x: Tensor) -> Tensor:
        x = self.function(x)
        x = x if self.offsets is None else x + self.offsets["by"]
        return x * (1 + len(self.steps))


class Nested(layers.Layer):
    """A layer of layers, without a configuration."""

    def __init__(self, function: Callable[[Tensor], Tensor], **options: object) -> None:
        super().__init__(**options)
        self.function = function
        self.inner = [layers.Dense(6), layers.BatchNormalization()]
        self.scale = self.add_weight((6,), initializer="ones", name="scale")

    def build(self, shape: tuple[int, ...]) -> None:
        for layer in self.inner:
            layer.build(shape)

    def call(self, x: Tensor) -> Tensor:
        for layer in self.inner:
            x = layer(x)
        return self.function(x) * self.scale


def calibrated() -> layers.Layer:
    layer = Calibrated(name="state")
    layer.offsets, layer.steps = {"by": np.arange(6, dtype="float32")}, [1, 2]
    return layer


def relu(x: Tensor) -> Tensor:
    """A function with the name of one of Keras's."""
    return ops.abs(x) + 0.5


KEPT = {
    "attributes set later": calibrated,
    "a function as argument": lambda: Calibrated(lambda x: x * x - 3, name="state"),
    "layers within": lambda: Nested(lambda x: ops.sin(x), name="state"),
    "a lambda": lambda: layers.Lambda(lambda x: x * 3 - 1, name="state"),
    "a named function": lambda: layers.Lambda(relu, name="state"),
    "a name of Keras's": lambda: layers.Dense(6, activation=relu, name="state"),
    "an activation with that name": lambda: layers.Activation(relu, name="state"),
    "a wrapper": lambda: layers.SpectralNormalization(layers.Dense(6), name="state"),
    "a regularizer": lambda: layers.Dense(
        6, kernel_regularizer=lambda w: ops.sum(w), activation="softmax", name="state"
    ),
}


def lively(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.2, 1, weight.shape))
    return model


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_not_touched_computes_as_before(kind: str) -> None:
    inputs = keras.Input((6,))
    model = lively(keras.Model(inputs, tail(KEPT[kind]()(inputs))))
    smaller = halves(model)
    assert_same_before(model, smaller, "state", NUMBERS)
    theirs = {id(variable) for variable in model.variables}
    assert not [variable.path for variable in smaller.variables if id(variable) in theirs]
    assert [weight.path for weight in smaller.weights] == [weight.path for weight in model.weights]


def own_function(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
    return ops.ones(shape, dtype)


REBUILT = {
    "constant array": {"bias_initializer": keras.initializers.Constant(np.arange(5, dtype="float32"))},
    "own initializer": {"kernel_initializer": own_function},
    "own regularizer": {"kernel_regularizer": lambda w: 0.5 * ops.sum(w)},
    "own constraint": {"kernel_constraint": lambda w: w * 0.5},
    "layer as activation": {"activation": layers.LeakyReLU(0.4)},
}


@pytest.mark.parametrize("kind", REBUILT)
def test_a_layer_that_loses_channels_is_built_from_its_own_parts(kind: str) -> None:
    inputs = keras.Input((6,))
    x = layers.Dense(5, name="lost", **REBUILT[kind])(inputs)
    model = lively(keras.Model(inputs, layers.Dense(2, name="end")(x)))
    smaller = halves(model)
    layer = smaller.get_layer("lost")
    assert layer.units == 3
    full = np.asarray(model.get_layer("lost")(NUMBERS))
    np.testing.assert_allclose(layer(NUMBERS), full[:, [0, 2, 3]], rtol=1e-5)
    ((name, part),) = REBUILT[kind].items()
    if name.startswith("kernel"):
        assert getattr(layer, name) is part
    if name == "bias_initializer":
        np.testing.assert_array_equal(layer.bias_initializer.value, [0, 2, 3])


def test_what_somebody_noted_on_a_model_comes_along() -> None:
    class Own(keras.Model):
        """A model with steps of its own."""

    inputs = keras.Input((6,))
    model = Own(inputs, tail(inputs))
    model.class_names, model.temperature = ["cat", "dog"], 2.5
    smaller = halves(model)
    assert type(smaller) is type(model)
    assert (smaller.class_names, smaller.temperature) == (["cat", "dog"], 2.5)


def test_flags_and_policies_come_along() -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, name="lost")(image)
    inner = keras.Sequential([keras.Input((6, 6, 5)), layers.BatchNormalization(name="norm")], name="inner")
    x = layers.Dropout(0.5, name="drop", seed=3)(inner(x))
    model = keras.Model(image, layers.Dense(2, name="end")(layers.GlobalMaxPooling2D()(x)))
    inner.trainable = False
    inner.layers[0].trainable = True
    model.get_layer("lost").bias.trainable = False
    model.get_layer("drop").supports_masking = False
    model.get_layer("drop").seed_generator.state.assign([7, 9])
    smaller = halves(model)
    assert [v.path for v in smaller.trainable_variables] == [v.path for v in model.trainable_variables]
    assert smaller.get_layer("lost").bias.trainable is False
    assert smaller.get_layer("drop").supports_masking is False
    np.testing.assert_array_equal(smaller.get_layer("drop").seed_generator.state, [7, 9])


def test_a_model_of_another_policy_than_the_global_one_keeps_it() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        row = keras.Input((6,))
        model = keras.Model(row, tail(keras.Sequential([layers.Dense(4)], name="inner")(row)))
    finally:
        keras.config.set_dtype_policy(before)
    model.compile("sgd", "mse")
    smaller = halves(model)
    assert smaller.dtype_policy.name == smaller.get_layer("inner").dtype_policy.name == "mixed_float16"
    assert type(smaller.optimizer) is type(model.optimizer) is keras.optimizers.LossScaleOptimizer


def test_a_quantized_layer_and_one_with_adapters_stay_what_they_are() -> None:
    inputs = keras.Input((6,))
    x = layers.Dense(8, name="small_numbers")(inputs)
    x = layers.Dense(6, name="adapted")(x)
    model = lively(keras.Model(inputs, tail(x)))
    model.get_layer("small_numbers").quantize("int8")
    model.get_layer("adapted").enable_lora(2)
    for weight in model.get_layer("adapted").trainable_weights:
        weight.assign(ops.ones(weight.shape) * 0.3)
    smaller = halves(model)
    for name in ("small_numbers", "adapted"):
        assert_same_before(model, smaller, name, NUMBERS)


def test_tracing_draws_no_random_number() -> None:
    import random

    inputs = keras.Input((6,))
    model = keras.Model(inputs, tail(inputs))
    random.seed(5)
    trace_channels(model)
    assert random.random() == random.Random(5).random()


class Shifts:
    """An argument that no configuration can hold."""


class Odd(layers.Dense):
    """Cannot be made a second time: its constructor wants what it does not keep by that name."""

    def __init__(self, units: int, number: int, **options: object) -> None:
        super().__init__(units, **options)
        self.shifts = Shifts()

    def get_config(self) -> dict[str, object]:
        raise NotImplementedError("not today")


def test_a_layer_that_cannot_be_rebuilt_is_kept_whole_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(rules.RULES, (Odd,), rules.kernels.dense)
    inputs = keras.Input((6,))
    x = Odd(4, 3, name="odd")(layers.Dense(4, name="before")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="end")(layers.Dense(5, name="lost")(x)))
    (kept,) = trace_channels(model).kept_whole
    assert (kept.layer, kept.producers) == ("odd", ("before",))
    assert kept.reason.startswith("it cannot be rebuilt: NotImplementedError")
    assert halves(model).get_layer("odd").shifts is model.get_layer("odd").shifts


def test_a_slice_of_nothing_is_a_whole_copy() -> None:
    inputs = keras.Input((6,))
    model = lively(keras.Model(inputs, tail(calibrated()(inputs))))
    channel_map = trace_channels(model)
    same = slice_model(model, channel_map, np.ones(channel_map.num_channels), check=True)
    np.testing.assert_array_equal(same(NUMBERS), model(NUMBERS))


@pytest.mark.parametrize("way", [twin.by_config, twin.by_parts, twin.by_copy])
def test_the_twin_of_an_operation_has_its_configuration(way) -> None:
    image = keras.Input((4, 4, 3))
    stacked = keras.ops.stack([image[..., 1], image[..., 0]], axis=-1)
    operation = stacked._keras_history.operation
    assert way(operation, {}).get_config() == operation.get_config()
    made = twin.make_twin(operation, {}, is_touched=False)
    assert (made.axis, made.get_config()["axis"]) == (-1, -1)
