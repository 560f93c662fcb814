"""What the tracer has no rule for is kept whole, with the reason."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, trace_channels

from .conftest import sizes

Tensor = keras.KerasTensor
Conv = Callable[..., layers.Conv2D]
Classify = Callable[..., keras.Model]
RoadsMeet = Callable[..., ChannelMap]


def test_one_channel_spread_over_all_stays(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(classify(lambda x: layers.Multiply()([conv(4, "a")(x), conv(1, "b")(x)])))
    assert sizes(channel_map) == {"a": 4}


def test_the_logits_and_the_image_are_never_channels(conv: Conv, classify: Classify) -> None:
    channel_map = trace_channels(classify(lambda x: conv(4, "conv")(x)))
    assert {(axis.path, axis.axis, axis.role) for axis in channel_map.weight_axes} == {
        ("conv/kernel", 3, "producer"),
        ("conv/bias", 0, "producer"),
        ("logits/kernel", 0, "consumer"),
    }


def test_every_output_is_kept(conv: Conv) -> None:
    image = keras.Input((8, 8, 3))
    hidden = conv(4, "hidden")(image)
    seen = conv(4, "seen")(hidden)
    model = keras.Model(image, [layers.Dense(2, name="logits")(layers.Flatten()(seen)), seen])
    assert sizes(trace_channels(model)) == {"hidden": 4}


@keras.saving.register_keras_serializable(package="test_trace")
class Shuffle(layers.Layer):
    """Moves channels about, which the tracer cannot know."""

    def call(self, x: Tensor) -> Tensor:
        return ops.flip(x, axis=-1)


@keras.saving.register_keras_serializable(package="test_trace")
class TwiceConvolved(layers.Conv2D):
    """Does something of its own in a layer of a known kind."""

    def call(self, x: Tensor) -> Tensor:
        return super().call(x) + ops.mean(x)


@keras.saving.register_keras_serializable(package="test_trace")
def centred(x: Tensor) -> Tensor:
    return x - ops.mean(x, axis=-1, keepdims=True)


KEPT_WHOLE = {
    "softmax layer": (lambda: layers.Softmax(name="odd"), "softmax mixes channels"),
    "softmax activation": (lambda: layers.Activation("softmax", name="odd"), "softmax mixes channels"),
    "own activation": (lambda: layers.Activation(centred, name="odd"), "centred"),
    "own activation in a layer": (lambda: layers.Conv2D(4, 1, activation=centred, name="odd"), "centred"),
    "own layer": (lambda: Shuffle(name="odd"), "no rule for Shuffle"),
    "subclass of a known layer": (lambda: TwiceConvolved(4, 1, name="odd"), "no rule for TwiceConvolved"),
    "group normalization over all": (
        lambda: layers.GroupNormalization(1, name="odd"),
        "run over all channels",
    ),
    "layer normalization": (lambda: layers.LayerNormalization(name="odd"), "run over all channels"),
    "normalization over another axis": (lambda: layers.BatchNormalization(axis=1, name="odd"), "last axis"),
    "permutation": (lambda: layers.Permute((3, 1, 2), name="odd"), "moves channels"),
    "reshape that moves channels": (lambda: layers.Reshape((40, 8), name="odd"), "moves channels"),
    "reshape with an open size": (lambda: layers.Reshape((-1, 8), name="odd"), "moves channels"),
    "wrapped layer": (
        lambda: layers.TimeDistributed(layers.Dense(4), name="odd"),
        "no rule for TimeDistributed",
    ),
}


@pytest.mark.parametrize("kind", KEPT_WHOLE)
def test_what_has_no_rule_is_kept_whole_and_named(
    kind: str, conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    make, reason = KEPT_WHOLE[kind]

    def body(x: Tensor) -> Tensor:
        x = make()(conv(5, "before")(conv(6, "free")(x)))
        return conv(4, "after")(x if len(x.shape) == 4 else x[..., None])

    channel_map = roads_meet(classify(body))
    # The layers on both sides still lose channels, but not those that it reads.
    assert sizes(channel_map) == {"free": 6, "after": 4}
    (kept,) = channel_map.kept_whole
    assert (kept.layer, "before" in kept.producers) == ("odd", True)
    assert reason in kept.reason


def test_a_constant_row_keeps_its_channels(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    row = np.linspace(0, 1, 5, dtype="float32")
    channel_map = roads_meet(classify(lambda x: conv(4, "b")(ops.add(conv(5, "a")(x), row))))
    assert sizes(channel_map) == {"b": 4}
    assert [kept.reason for kept in channel_map.kept_whole] == ["it merges with a constant array"]


def test_unknown_operation_keeps_its_channels(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(classify(lambda x: conv(4, "b")(ops.roll(conv(5, "a")(x), 1, axis=-1))))
    assert sizes(channel_map) == {"b": 4}
    assert [kept.reason for kept in channel_map.kept_whole] == ["no rule for Roll"]


def test_softmax_in_a_kernel_layer_keeps_what_it_makes(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(
        classify(lambda x: conv(3, "after")(conv(4, "odd", activation="softmax")(conv(5, "before")(x))))
    )
    assert sizes(channel_map) == {"before": 5, "after": 3}
    (kept,) = channel_map.kept_whole
    assert (kept.layer, kept.producers) == ("odd", ("odd",))
    assert "softmax mixes channels" in kept.reason


def test_weights_of_one_path_are_kept_whole() -> None:
    inputs = keras.Input((4,))
    inner = [
        keras.Model(outer_in := keras.Input((4,)), layers.Dense(4, name="same")(outer_in), name=name)
        for name in ("a", "b")
    ]
    x = inner[1](inner[0](layers.Dense(4, name="free")(inputs)))
    channel_map = trace_channels(keras.Model(inputs, x))
    assert not channel_map.groups
    assert {kept.layer for kept in channel_map.kept_whole} == {"a/same", "b/same"}
    assert all("another weight has the path same/" in kept.reason for kept in channel_map.kept_whole)
