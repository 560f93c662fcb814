"""A refitted network: least squares as by hand, exact where a kept channel can stand in, in bounded memory."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelMap, slice_model, trace_channels
from stamp_tf.refit.refit import Refitted, refit

pytestmark = pytest.mark.usefixtures("float64")
RIDGE = 1e-3


def images(shape: tuple[int, ...] = (8, 8, 3), count: int = 40) -> np.ndarray:
    return np.random.default_rng(7).normal(0.5, 1.0, (count, *shape))


def in_batches(values: np.ndarray, size: int = 16) -> Callable[[], Iterable[np.ndarray]]:
    return lambda: (values[start : start + size] for start in range(0, len(values), size))


def every_second(channel_map: ChannelMap) -> ChannelMask:
    return ChannelMask(np.arange(channel_map.num_channels) % 2 == 0)


def pruned(model: keras.Model, **options: Any) -> tuple[keras.Model, tuple[Refitted, ...]]:
    """Cut every second channel, and refit on `images` at all places."""
    channel_map = trace_channels(model)
    mask = every_second(channel_map)
    small = slice_model(model, channel_map, mask)
    values = images(tuple(model.inputs[0].shape[1:]))
    return small, refit(
        model,
        small,
        channel_map,
        mask=mask,
        batches=in_batches(values),
        **{"ridge": RIDGE, "places": 10_000} | options,
    )


def design(layer: Any, read: np.ndarray) -> np.ndarray:
    """What each weight of one output of a layer adds to it, `[n, weights]`: its output for unit kernels."""
    kernel = layer.kernel
    before, columns = np.asarray(kernel), []
    for place in np.ndindex(*kernel.shape):
        output = place[-2] if "Transpose" in type(layer).__name__ else place[-1]
        if output == 0:
            unit = np.zeros(kernel.shape)
            unit[place] = 1.0
            kernel.assign(unit)
            columns.append((np.asarray(layer(read)) - np.asarray(layer.bias))[..., 0].ravel())
    kernel.assign(before)
    return np.stack(columns, axis=1)


MIXERS = {
    "convolution": layers.Conv2D(4, 3, padding="same", name="reader"),
    "strided": layers.Conv2D(4, 3, strides=2, padding="same", name="reader"),
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, name="reader"),
    "transposed": layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="reader"),
    "pointwise": layers.Dense(4, name="reader"),
}


@pytest.mark.parametrize("name", MIXERS)
def test_a_kernel_is_the_least_squares_solution_by_hand(name: str) -> None:
    reader = type(MIXERS[name]).from_config({**MIXERS[name].get_config(), "dtype": "float64"})
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="tanh", bias_initializer="ones")(image)
    model = keras.Model(image, reader(x))
    small, _ = pruned(model)
    before = slice_model(model, trace_channels(model), every_second(trace_channels(model)))

    read = np.asarray(keras.Model(small.inputs[0], small.layers[-1].input)(images()))
    x = design(small.layers[-1], read)
    y = np.asarray(model(images())).reshape(-1, 4) - np.asarray(reader.bias)
    is_transposed = name == "transposed"
    start = np.moveaxis(np.asarray(before.layers[-1].kernel), -2 if is_transposed else -1, -1).reshape(-1, 4)
    centred, wanted = x - x.mean(0), y - y.mean(0)
    loading = RIDGE * np.square(centred).sum(0).mean()
    rows = np.concatenate([centred, np.sqrt(loading) * np.eye(x.shape[1])])
    targets = np.concatenate([wanted - centred @ start, np.zeros((x.shape[1], 4))])
    kernel = start + np.linalg.lstsq(rows, targets, rcond=None)[0]
    got = np.moveaxis(np.asarray(small.layers[-1].kernel), -2 if is_transposed else -1, -1).reshape(-1, 4)
    np.testing.assert_allclose(got, kernel, atol=1e-9)
    bias = y.mean(0) - x.mean(0) @ kernel + np.asarray(reader.bias)
    np.testing.assert_allclose(np.asarray(small.layers[-1].bias), bias, atol=1e-9)


def with_doubled_channels(model: keras.Model) -> keras.Model:
    """Make every odd channel of `first` a multiple of the even one before it, so that cutting it loses nothing."""
    first = model.get_layer("first")
    for weight in first.weights:
        value = np.array(weight)
        value[..., 1::2] = 2.0 * value[..., ::2]
        weight.assign(value)
    return model


def chain(
    *behind: keras.Layer, start: keras.Layer | None = None, shape: tuple[int, ...] = (8, 8, 3)
) -> keras.Model:
    image = keras.Input(shape)
    x = (start or layers.Conv2D(6, 3, padding="same", name="first", bias_initializer="ones"))(image)
    x = layers.ReLU()(x)
    for layer in behind:
        x = layer(x)
    return with_doubled_channels(keras.Model(image, x))


def shared_twice() -> keras.Model:
    image = keras.Input((8, 8, 3))
    first = layers.Conv2D(6, 3, padding="same", name="first")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = layers.ReLU()(first(image))
    return with_doubled_channels(
        keras.Model(image, layers.Concatenate()([shared(x), shared(layers.Rescaling(-3.0)(x))]))
    )


def nested() -> keras.Model:
    inner_input = keras.Input((8, 8, 6))
    inner = keras.Model(inner_input, layers.Conv2D(4, 3, name="within")(inner_input), name="inner")
    return chain(inner)


EXACT = {
    "convolution": lambda: chain(layers.Conv2D(4, 3, padding="same")),
    "transposed": lambda: chain(layers.Conv2DTranspose(4, 3, strides=2)),
    "separable": lambda: chain(
        layers.SeparableConv2D(4, 3, depth_multiplier=2, depthwise_initializer="ones")
    ),
    "depthwise, then pointwise": lambda: chain(
        layers.DepthwiseConv2D(3, depthwise_initializer="ones"), layers.Conv2D(4, 1)
    ),
    "pooled": lambda: chain(layers.GlobalAveragePooling2D(), layers.Dense(4)),
    "behind flatten": lambda: chain(layers.MaxPooling2D(4), layers.Flatten(), layers.Dense(4)),
    "one dimension": lambda: chain(
        layers.Conv1D(4, 3),
        start=layers.Conv1D(6, 3, name="first", bias_initializer="ones"),
        shape=(12, 3),
    ),
    "three dimensions": lambda: chain(
        layers.Conv3D(4, 2), start=layers.Conv3D(6, 2, name="first"), shape=(4, 5, 4, 2)
    ),
    "shared": shared_twice,
    "nested": nested,
}


@pytest.mark.parametrize("name", EXACT)
def test_a_channel_that_a_kept_one_can_stand_in_for_is_no_loss(name: str) -> None:
    model = EXACT[name]()
    small, report = pruned(model, ridge=1e-13)
    assert small.count_params() < model.count_params()
    values = images(tuple(model.inputs[0].shape[1:]))
    wanted = np.asarray(model(values))
    np.testing.assert_allclose(small(values), wanted, atol=1e-6 * np.abs(wanted).max())
    assert report[-1].before > 0.01
    assert report[-1].after < 1e-9


def residual(norm: bool) -> keras.Model:
    """Two blocks that add to a stream; the first loses channels within, so the stream is wrong behind it."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(image)
    for block in "ab":
        y = layers.ReLU()(layers.Conv2D(8, 3, padding="same", name=f"{block}1")(x))
        y = layers.Conv2D(4, 3, padding="same", use_bias=not norm, name=f"{block}2")(y)
        if norm:
            y = layers.BatchNormalization(
                gamma_initializer="ones" if block == "a" else keras.initializers.Constant(0.5),
                moving_mean_initializer="ones",
                name=f"{block}n",
            )(y)
        x = layers.Add(name=f"{block}_sum")([x, y])
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize("norm", [False, True])
def test_a_branch_makes_up_for_what_the_other_term_of_its_sum_lacks(norm: bool) -> None:
    keras.utils.set_random_seed(1)
    model = residual(norm)
    channel_map = trace_channels(model)
    mask = channel_map.mask_of(
        {group.name: list(range(1 if group.name == "a1" else group.size)) for group in channel_map.groups}
    )
    small = slice_model(model, channel_map, mask)
    refit(model, small, channel_map, mask=mask, batches=in_batches(images()), ridge=1e-9, places=64)
    errors = []
    for name in ("a_sum", "b_sum"):
        wanted, got = (
            np.asarray(keras.Model(net.inputs[0], net.get_layer(name).output)(images()))
            for net in (model, small)
        )
        errors.append(float(np.square(wanted - got).mean()))
    assert errors[0] > 1e-6
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize("swap", [False, True])
def test_a_sum_that_repeats_a_term_over_places_is_no_target(swap: bool) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(image)
    y = layers.Conv2D(4, 3, padding="same", name="wide")(x)
    g = layers.Conv2D(4, 1, name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    model = keras.Model(image, layers.Add()([g, y] if swap else [y, g]))
    channel_map = trace_channels(model)
    mask = channel_map.mask_of(
        {
            group.name: list(range(group.size // 2 if group.name == "first" else group.size))
            for group in channel_map.groups
        }
    )
    small = slice_model(model, channel_map, mask)
    before = np.square(np.asarray(model(images())) - np.asarray(small(images()))).mean()
    refit(model, small, channel_map, mask=mask, batches=in_batches(images()), places=64)
    after = np.square(np.asarray(model(images())) - np.asarray(small(images()))).mean()
    assert after < before


def test_an_output_on_the_way_is_not_shifted() -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, name="first", bias_initializer="ones", activation="relu")(image)
    raw = layers.Conv2D(4, 3, use_bias=False, name="raw")(x)
    model = keras.Model(image, [raw, layers.BatchNormalization(name="norm")(raw)])
    small, _ = pruned(model)
    written, normalised = (np.asarray(output) for output in small(images()))
    # Where the output is shifted, so is what the statistics of the full network make of it.
    np.testing.assert_allclose(normalised, model.get_layer("norm")(written), atol=1e-5)


def test_a_layer_that_is_called_as_in_training_keeps_its_state() -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, name="first")(image)
    x = layers.BatchNormalization(name="norm")(x, training=True)
    model = keras.Model(image, layers.Conv2D(4, 3)(layers.Dropout(0.5)(x, training=True)))
    before = model.get_weights()
    pruned(model)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_networks_of_a_lower_precision(policy: str) -> None:
    image = keras.Input((8, 8, 3))
    options = {"dtype": policy, "padding": "same"}
    x = layers.Conv2D(6, 3, activation="relu", name="first", **options)(image)
    x = layers.SeparableConv2D(6, 3, depthwise_initializer="ones", **options)(x)
    model = keras.Model(image, layers.Conv2D(4, 3, **options)(x))
    small, report = pruned(model)
    assert np.isfinite(np.asarray(small(images()), "float32")).all()
    assert all(layer.after < layer.before for layer in report)


def test_a_normalisation_takes_up_the_constant() -> None:
    model = chain(
        layers.Conv2D(4, 3, use_bias=False),
        layers.BatchNormalization(moving_mean_initializer=keras.initializers.Constant(0.3)),
        layers.Conv2D(2, 3),
    )
    small, _ = pruned(model)
    wanted, got = (
        np.asarray(keras.Model(net.inputs[0], net.layers[-2].output)(images()))[
            ..., :: 2 if net is model else 1
        ]
        for net in (model, small)
    )
    np.testing.assert_allclose(got.mean((0, 1, 2)), wanted.mean((0, 1, 2)), atol=1e-9)


def test_memory_that_holds_nothing_gives_the_same_kernels(residual_network: keras.Model) -> None:
    kept, again = (pruned(residual_network, memory=memory)[0] for memory in (1e9, 0.0))
    for one, other in zip(kept.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same_kernels(residual_network: keras.Model) -> None:
    one, same, other = (pruned(residual_network, places=5, seed=seed)[0].get_weights() for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert not all((a == b).all() for a, b in zip(one, other, strict=True))


def test_what_lies_before_the_first_cut_stays(residual_network: keras.Model) -> None:
    channel_map = trace_channels(residual_network)
    small, _ = pruned(residual_network)
    before = slice_model(residual_network, channel_map, every_second(channel_map))
    np.testing.assert_array_equal(small.get_layer("conv1").kernel, before.get_layer("conv1").kernel)
    assert (np.asarray(small.get_layer("head").kernel) != np.asarray(before.get_layer("head").kernel)).any()


def test_the_full_network_stays_as_it_is(residual_network: keras.Model) -> None:
    before = residual_network.get_weights()
    pruned(residual_network)
    for one, other in zip(before, residual_network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_inputs_and_outputs() -> None:
    inputs = {"left": keras.Input((6,), name="left"), "right": keras.Input((4,), name="right")}
    first = layers.Dense(8, name="first")(layers.Concatenate()([inputs["left"], inputs["right"]]))
    x = layers.ReLU()(first)
    model = with_doubled_channels(
        keras.Model(inputs, {"sum": layers.Dense(2)(x), "other": layers.Dense(3)(x)})
    )
    channel_map = trace_channels(model)
    mask = every_second(channel_map)
    small = slice_model(model, channel_map, mask)
    values = {"left": images((6,)), "right": images((4,))}
    refit(model, small, channel_map, mask=mask, batches=lambda: [values], ridge=1e-13)
    for wanted, got in zip(keras.tree.flatten(model(values)), keras.tree.flatten(small(values)), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_progress_is_told_layer_by_layer(residual_network: keras.Model) -> None:
    told: list[tuple[int, int]] = []
    _, report = pruned(residual_network, on_step=lambda done, total: told.append((done, total)))
    assert told == [(done, len(report)) for done in range(1, len(report) + 1)]
