"""Refits of products in Einstein's notation and of pruned groups, each held against least squares by hand."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelMap, slice_model, trace_channels
from stamp_tf.refit.refit import refit

pytestmark = pytest.mark.usefixtures("float64")
RIDGE = 1e-3


def images(count: int = 30) -> np.ndarray:
    return np.random.default_rng(7).normal(0.5, 1.0, (count, 8, 8, 3))


def by_hand(
    read: np.ndarray, wanted: np.ndarray, start: np.ndarray, *, loading: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel `[I, O]` and intercept of the least squares that are drawn to a first kernel."""
    x, y = read - read.mean(0), wanted - wanted.mean(0)
    rows = np.concatenate([x, np.sqrt(loading) * np.eye(x.shape[1])])
    targets = np.concatenate([y - x @ start, np.zeros((x.shape[1], y.shape[1]))])
    kernel = start + np.linalg.lstsq(rows, targets, rcond=None)[0]
    return kernel, wanted.mean(0) - read.mean(0) @ kernel


def loading_of(read: np.ndarray) -> float:
    return RIDGE * float(np.square(read - read.mean(0)).sum(0).mean())


def fitted(model: keras.Model, channel_map: ChannelMap, mask: ChannelMask) -> tuple[keras.Model, keras.Model]:
    """Return the smaller network before its refit and behind it."""
    before, small = (slice_model(model, channel_map, mask) for _ in range(2))
    batches = lambda: (images()[start : start + 16] for start in (0, 16))  # noqa: E731
    refit(model, small, channel_map, mask=mask, batches=batches, ridge=RIDGE, places=10_000)
    return before, small


def read_by(model: keras.Model, name: str) -> np.ndarray:
    return np.asarray(keras.Model(model.inputs[0], model.get_layer(name).input)(images()))


EINSUMS: dict[str, tuple[str, tuple[int | None, ...], str | None]] = {
    "last axis": ("abcd,de->abce", (None, None, 4), "e"),
    "with dots": ("...d,de->...e", (4,), "e"),
    "two axes out": ("abcd,def->abcef", (None, None, 2, 3), "ef"),
    "two axes in": ("abcd,cde->abe", (None, 4), "e"),
    "no bias": ("abcd,de->abce", (None, None, 4), None),
}


@pytest.mark.parametrize("name", EINSUMS)
def test_a_dense_layer_in_einsteins_notation(name: str) -> None:
    keras.utils.set_random_seed(3)
    equation, shape, bias = EINSUMS[name]
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="tanh", name="first")(image)
    x = layers.Conv2D(5, 3, padding="same", activation="tanh", name="second")(x)
    reader = layers.EinsumDense(equation, shape, bias_axes=bias, bias_initializer="ones", name="reader")
    model = keras.Model(image, reader(x))
    channel_map = trace_channels(model)
    # What the layer reads is kept whole: it makes up for what the cut before it left.
    assert [group.name for group in channel_map.groups] == ["first"]
    before, small = fitted(model, channel_map, ChannelMask(np.arange(6) % 2 == 0))

    inputs = read_by(small, "reader")
    num_read = 2 if name == "two axes in" else 1
    num_inputs = int(np.prod(inputs.shape[-num_read:]))
    start = np.asarray(before.get_layer("reader").kernel).reshape(num_inputs, -1)
    inputs = inputs.reshape(-1, num_inputs)
    constant = 0.0 if bias is None else np.asarray(reader.bias).reshape(-1)
    wanted = np.asarray(model(images())).reshape(-1, start.shape[1]) - constant
    got = small.get_layer("reader")
    if bias is None:
        loading = RIDGE * float(np.square(inputs).sum(0).mean())
        rows = np.concatenate([inputs, np.sqrt(loading) * np.eye(num_inputs)])
        targets = np.concatenate([wanted - inputs @ start, np.zeros(start.shape)])
        kernel = start + np.linalg.lstsq(rows, targets, rcond=None)[0]
    else:
        kernel, intercept = by_hand(inputs, wanted, start, loading=loading_of(inputs))
        np.testing.assert_allclose(
            np.asarray(got.bias).reshape(-1), intercept + constant, atol=1e-9 * len(inputs)
        )
    np.testing.assert_allclose(np.asarray(got.kernel).reshape(start.shape), kernel, atol=1e-9)
    assert np.abs(kernel - start).max() > 1e-3


def test_an_einsum_layer_before_a_sum_makes_up_for_its_other_term() -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="tanh", name="first")(image)
    short = layers.Conv2D(4, 3, padding="same", name="short")(x)
    reader = layers.EinsumDense("abcd,de->abce", (None, None, 4), bias_axes="e", name="reader")
    long = layers.Conv2D(4, 1, activation="tanh", name="within")(image)
    model = keras.Model(image, layers.Add(name="sum")([short, reader(long)]))
    channel_map = trace_channels(model)
    before, small = fitted(model, channel_map, channel_map.mask_of({"first": [0]}))
    errors = [float(np.square(np.asarray(net(images()) - model(images()))).mean()) for net in (before, small)]
    assert errors[1] < errors[0]
    assert np.abs(np.asarray(small.get_layer("reader").kernel - reader.kernel)).max() > 1e-6


def grouped_network(**options: Any) -> keras.Model:
    """A convolution of four groups behind one that loses channels; what it reads goes by groups."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="tanh", name="first")(image)
    x = layers.Conv2D(8, 3, padding="same", activation="tanh", name="second")(x)
    x = layers.Conv2D(12, 3, groups=4, bias_initializer="ones", name="grouped", **options)(x)
    return keras.Model(image, layers.Conv2D(5, 1, name="last")(layers.ReLU()(x)))


@pytest.mark.parametrize(
    ("kept", "options"),
    [([0, 1, 2, 3], {}), ([0, 2, 3], {}), ([2], {}), ([1, 3], {"strides": 2, "padding": "same"})],
    ids=["all", "three of four", "one", "two, strided"],
)
def test_groups_that_stay_are_fitted_to_what_they_wrote(kept: list[int], options: dict[str, Any]) -> None:
    keras.utils.set_random_seed(3)
    model = grouped_network(**options)
    channel_map = trace_channels(model)
    assert [(group.name, group.size) for group in channel_map.groups] == [("first", 6), ("second", 4)]
    before, small = fitted(model, channel_map, channel_map.mask_of({"first": [0, 2, 4], "second": kept}))
    full, start, got = (network.get_layer("grouped") for network in (model, before, small))
    assert got.groups == len(kept)

    written = np.asarray(keras.Model(model.inputs[0], full.output)(images())) - np.asarray(full.bias)
    inputs = read_by(small, "grouped")
    patches = np.asarray(keras.ops.image.extract_patches(inputs, 3, **{"strides": 1} | options)).reshape(
        -1, 9, len(kept), 2
    )  # places, taps, groups, inputs of one
    for place, group in enumerate(kept):
        rows = patches[:, :, place].reshape(-1, 18)
        own = slice(3 * place, 3 * place + 3)
        first = np.asarray(start.kernel)[..., own].reshape(18, 3)
        wanted = written[..., 3 * group : 3 * group + 3].reshape(-1, 3)
        kernel, intercept = by_hand(rows, wanted, first, loading=loading_of(rows))
        np.testing.assert_allclose(np.asarray(got.kernel)[..., own].reshape(18, 3), kernel, atol=1e-9)
        np.testing.assert_allclose(np.asarray(got.bias)[own], intercept + 1.0, atol=1e-9)
        assert np.abs(kernel - first).max() > 1e-3


def test_groups_before_a_sum_make_up_for_its_other_term() -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="tanh", name="first")(image)
    short = layers.Conv2D(8, 3, padding="same", name="short")(x)
    long = layers.Conv2D(8, 3, padding="same", activation="tanh", name="long")(x)
    grouped = layers.Conv2D(8, 3, groups=4, padding="same", use_bias=False, name="grouped")(long)
    norm = layers.BatchNormalization(name="norm")(grouped)
    x = layers.Conv2D(5, 1, name="last")(layers.Add(name="sum")([short, norm]))
    model = keras.Model(image, x)
    channel_map = trace_channels(model)
    (stream,) = (group for group in channel_map.groups if "short" in group.producers)
    assert stream.size == 4  # two channels of the sum for each group of the convolution
    kept = channel_map.kept(np.ones(channel_map.num_channels)) | {"first": [0], stream.name: [0, 2]}
    before, small = fitted(model, channel_map, channel_map.mask_of(kept))
    assert small.get_layer("grouped").groups == 2
    features = [0, 1, 4, 5]
    wanted = np.asarray(keras.Model(image, model.get_layer("sum").output)(images()))[..., features]
    errors = [
        float(np.square(np.asarray(keras.Model(net.inputs[0], net.get_layer("sum").output)(images())) - wanted).mean())
        for net in (before, small)
    ]  # fmt: skip
    assert errors[1] < 0.7 * errors[0]
