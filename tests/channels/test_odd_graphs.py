"""Graphs that no rule was made for: what cannot be told is kept whole, and nothing stops the trace."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, slice_model, trace_channels

from .conftest import sizes

Tensor = keras.KerasTensor
Conv = Callable[..., layers.Conv2D]
Classify = Callable[..., keras.Model]
RoadsMeet = Callable[..., ChannelMap]


# From features [B, 8, 8, 6] to something that a dense layer reads, each with whether the channels pass.
RESHAPES = {
    "positions folded into the batch": (lambda x: ops.reshape(x, (-1, 16, 6)), True),
    "all positions in the batch": (lambda x: ops.reshape(x, (-1, 6)), True),
    "all in a row": (lambda x: ops.reshape(x, (-1, 384)), True),
    "two rows of an image": (lambda x: ops.reshape(x, (-1, 48)), True),
    "two channels in a row": (lambda x: ops.reshape(x, (-1, 64, 2)), False),
    "half a channel": (lambda x: ops.reshape(x, (-1, 128)), False),
    "with a new axis": (lambda x: ops.reshape(x, (-1, 64, 1, 6)), True),
    "channels become positions": (lambda x: ops.reshape(x, (-1, 64, 6, 1)), False),
}


@pytest.mark.parametrize("kind", RESHAPES)
def test_a_reshape_may_fold_positions_into_the_batch(kind: str, conv: Conv, roads_meet: RoadsMeet) -> None:
    reshape, passes = RESHAPES[kind]
    image = keras.Input((8, 8, 3))
    x = layers.Dense(4, name="after")(reshape(conv(6, "before")(image)))
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(x)))
    assert sizes(channel_map) == ({"before": 6} if passes else {}) | {"after": 4}


def test_open_sizes_do_not_stop_a_reshape_that_keeps_its_rows(conv: Conv) -> None:
    image = keras.Input((None, None, 3))
    x = layers.Dense(4, name="after")(layers.Reshape((-1, 6))(conv(6, "before")(image)))
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
    channel_map = trace_channels(model)
    assert sizes(channel_map) == {"before": 6, "after": 4}
    smaller = slice_model(model, channel_map, channel_map.mask_of({"before": [1], "after": [0, 3]}))
    assert smaller(np.zeros((1, 5, 4, 3), "float32")).shape == (1, 2)


def test_a_channel_that_nobody_reads_can_go(conv: Conv, roads_meet: RoadsMeet) -> None:
    image = keras.Input((8, 8, 3))
    read, unread = conv(4, "read")(image), conv(5, "unread")(image)
    encoder = keras.Model(image, [read, layers.BatchNormalization()(unread)], name="encoder")
    outer = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(encoder(outer)[0])
    channel_map = roads_meet(keras.Model(outer, layers.Dense(2)(x)))
    assert sizes(channel_map) == {"encoder/read": 4, "encoder/unread": 5}
    assert len(channel_map.probes) == 9


def test_probes_look_at_the_first_output_of_a_call(conv: Conv, classify: Classify) -> None:
    keras.backend.clear_session()  # names of operations count up
    channel_map = trace_channels(classify(lambda x: ops.split(conv(6, "a")(x), [4], axis=-1)[1]))
    assert [(probe.layer, probe.feature) for probe in channel_map.probes] == [
        *(("split", feature) for feature in range(4)),
        *(("pool", feature) for feature in range(2)),
    ]


SHARED = {
    "reshape": lambda: layers.Reshape((4, 2, 8, 6)),
    "flatten": lambda: layers.Flatten(),
    "activation": lambda: layers.Activation("relu"),
    "sequential": lambda: keras.Sequential([layers.ReLU(), layers.MaxPooling2D(2)]),
    "sequential, built": lambda: keras.Sequential(
        [keras.Input((8, 8, 6)), layers.ReLU(), layers.Reshape((64, 6))]
    ),
    "model": lambda: nested_reshape(),
}


def nested_reshape() -> keras.Model:
    inner = keras.Input((8, 8, 6))
    return keras.Model(inner, layers.Reshape((16, 4, 6))(ops.relu(inner)), name="inner")


@pytest.mark.parametrize("kind", SHARED)
def test_what_has_no_weights_may_be_called_twice(kind: str, conv: Conv, roads_meet: RoadsMeet) -> None:
    shared, image = SHARED[kind](), keras.Input((8, 8, 3))
    heads = [layers.Flatten()(shared(conv(6, name)(image))) for name in ("a", "b")]
    model = keras.Model(image, layers.Dense(2)(layers.Concatenate()(heads)))
    assert sum(sizes(roads_meet(model)).values()) in (6, 12)


def test_a_reshape_that_is_refused_once_is_not_changed_for_another_call(
    conv: Conv, roads_meet: RoadsMeet
) -> None:
    shared, image = layers.Reshape((-1, 2)), keras.Input((8, 8, 3))
    a = shared(conv(2, "a")(image))
    b = shared(conv(4, "b")(image))
    both = layers.Concatenate(axis=1)([a, b])
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(layers.GlobalMaxPooling1D()(both))))
    assert sizes(channel_map) == {}


ODD = {
    "a constant on the left": lambda x: ops.subtract(np.arange(6, dtype="float32"), x),
    "slopes for each channel": lambda x: ops.celu(x, np.arange(1, 7, dtype="float32")),
    "limits for each channel": lambda x: ops.clip(x, np.zeros(6, "float32"), np.arange(6, dtype="float32")),
    "a state of a recurrent layer": lambda x: layers.LSTM(3, return_state=True)(layers.Reshape((64, 6))(x))[
        1
    ],
    "a number for each image": lambda x: x * ops.mean(x, axis=(1, 2, 3), keepdims=True),
    "masking": lambda x: layers.Masking()(layers.Reshape((64, 6))(x)),
    "noise of a given shape": lambda x: layers.Dropout(0.0, noise_shape=(None, 1, 1, 6))(x),
    "noise of a given shape that keeps the mean": lambda x: layers.AlphaDropout(
        0.1, noise_shape=(None, 1, 1, 6)
    )(x),
    "an operation in three tensors": lambda x: ops.where(x > 0, x, 0.1 * x),
    "every other channel": lambda x: x[..., ::2],
    "channels from behind": lambda x: x[..., ::-1],
    "one channel": lambda x: x[..., 2],
    "a new last axis": lambda x: x[..., None],
    "some of the examples": lambda x: x[:3, ...],
    "channels mirrored at the edge": lambda x: ops.pad(x, [[0, 0], [0, 0], [0, 0], [1, 2]], mode="reflect"),
    "a lambda": lambda x: layers.Lambda(lambda y: y * 2)(x),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_no_rule_covers_is_kept_whole(kind: str, conv: Conv, roads_meet: RoadsMeet) -> None:
    image = keras.Input((8, 8, 3))
    x = ODD[kind](conv(6, "before")(image))
    x = (
        layers.Flatten()(x)
        if len(x.shape) == 4
        else layers.GlobalAveragePooling1D()(x)
        if len(x.shape) == 3
        else x
    )
    x = layers.Dense(4, name="after")(x)
    channel_map = roads_meet(keras.Model(image, layers.Dense(2)(x)))
    assert sizes(channel_map) == {"after": 4}
    assert any("before" in kept.producers for kept in channel_map.kept_whole)


def test_keyword_tensors_are_tied_like_others(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(classify(lambda x: ops.add(x2=conv(4, "a")(x), x1=2.0 - conv(4, "b")(x))))
    assert sizes(channel_map) == {"a": 4} or sizes(channel_map) == {"b": 4}


def test_what_a_rule_does_not_ask_for_stays(conv: Conv) -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Reshape((64, 4))(conv(4, "a")(image))
    mask = layers.Reshape((64,))(conv(1, "b")(image)) > 0
    x = layers.GlobalAveragePooling1D()(x, mask=mask)
    assert sizes(trace_channels(keras.Model(image, layers.Dense(2)(x)))) == {"a": 4}


@pytest.mark.parametrize("wrap", [list, lambda tensors: dict(zip("ab", tensors, strict=True))])
def test_nests_of_inputs_and_outputs(wrap: Callable[..., object], conv: Conv) -> None:
    first, second = keras.Input((8, 8, 3), name="a"), keras.Input((8, 8, 2), name="b")
    x = layers.Add()([conv(4, "one")(first), conv(4, "two")(second)])
    seen = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(wrap([first, second]), wrap([layers.Dense(2, name="end")(seen), seen * 2.0]))
    channel_map = trace_channels(model)
    assert channel_map.num_channels == 0
    same = slice_model(model, channel_map, np.ones(0))
    data = wrap([np.ones((1, 8, 8, 3)), np.ones((1, 8, 8, 2))])
    keras.tree.map_structure(np.testing.assert_array_equal, same(data), model(data))


def test_a_split_at_an_array_of_places(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(
        classify(lambda x: conv(3, "b")(ops.split(conv(6, "a")(x), np.array([2, 5]), axis=-1)[1]))
    )
    assert sum(sizes(channel_map).values()) == 9


def test_an_output_twice_and_an_input_passed_on(conv: Conv) -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Dense(2, name="end")(layers.GlobalAveragePooling2D()(conv(4, "a")(image)))
    model = keras.Model(image, [x, x, image, ops.sum(x)])
    channel_map = trace_channels(model)
    smaller = slice_model(model, channel_map, np.array([1, 0, 0, 1]))
    outputs = smaller(np.ones((2, 8, 8, 3)))
    assert [tuple(output.shape) for output in outputs] == [(2, 2), (2, 2), (2, 8, 8, 3), ()]


def test_one_variable_in_two_layers(roads_meet: RoadsMeet, caplog: pytest.LogCaptureFixture) -> None:
    image = keras.Input((6,))
    first, second = layers.Dense(6, name="first"), layers.Dense(6, name="second")
    x = first(layers.Dense(6, name="before")(image))
    y = second(x)
    second._tracker.unlock()
    second._untrack_variable(second._kernel)
    second._kernel = first._kernel
    roads_meet(keras.Model(image, layers.Dense(2)(y)))
    assert "first and second share a variable; in the smaller model each has its own." in caplog.text
