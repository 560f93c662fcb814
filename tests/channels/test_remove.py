"""The public tool: remove channels by the names of groups."""

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.channels import ChannelMap
from stamp_tf.errors import StampError


def test_groups_by_name_and_a_whole_row_are_one_thing(network: keras.Model, channel_map: ChannelMap) -> None:
    row = np.ones(channel_map.num_channels)
    row[[1, 3, 7]] = 0
    by_name = {"conv1": row[:6], "conv2": row[6:16]}
    ours, theirs = stamp_tf.remove_channels(network, by_name), stamp_tf.remove_channels(network, row)
    assert [layer.filters for layer in ours.layers if type(layer) is keras.layers.Conv2D] == [4, 9, 7, 7]
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_soft_values_are_folded_into_what_reads_the_channel(network: keras.Model) -> None:
    smaller = stamp_tf.remove_channels(network, {"conv2": [0.5] + [1] * 8 + [0]})
    for name in ("conv3",):
        full = network.get_layer(name).kernel.numpy()[:, :, :9]
        full[:, :, 0] *= 0.5
        np.testing.assert_allclose(smaller.get_layer(name).kernel, full, rtol=1e-6)


def test_a_compiled_model_stays_compiled(network: keras.Model) -> None:
    network.compile(keras.optimizers.SGD(0.01), "mse")
    smaller = stamp_tf.remove_channels(network, {"conv1": [1, 0, 1, 1, 1, 1]})
    assert smaller.compiled
    assert isinstance(smaller.optimizer, keras.optimizers.SGD)


class Halving(keras.losses.Loss):
    """A loss that Keras has not registered."""

    def call(self, y_true: object, y_pred: object) -> object:
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1) / 2


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras has not registered, and that has no configuration."""

    def __call__(self, step: object) -> float:
        return 0.125


def own_loss(y_true: object, y_pred: object) -> object:
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def gauge(y_true: object, y_pred: object) -> object:
    return keras.ops.mean(y_pred, axis=-1)


@pytest.mark.parametrize(
    "loss",
    [own_loss, Halving(), lambda y_true, y_pred: own_loss(y_true, y_pred)],
    ids=["def", "class", "lambda"],
)
def test_own_losses_and_metrics_go_along(network: keras.Model, loss: object) -> None:
    metrics = [
        gauge,
        keras.metrics.MeanMetricWrapper(gauge, name="wrapped"),
        keras.metrics.MeanSquaredError(),
    ]
    network.compile(keras.optimizers.Adam(0.125), loss, metrics=metrics)
    smaller = stamp_tf.remove_channels(network, {"conv1": [1, 0, 1, 1, 1, 1]})
    assert smaller.compiled
    assert smaller.loss is loss
    assert float(smaller.optimizer.learning_rate) == 0.125
    assert smaller.optimizer is not network.optimizer
    figures = smaller.evaluate(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0, return_dict=True)
    assert {"loss", "gauge", "wrapped", "mean_squared_error"} <= figures.keys()
    smaller.fit(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0)
    # What was trained is not the old model.
    assert int(network.optimizer.iterations) == 0


def test_what_cannot_be_compiled_again_is_left_so_with_a_word(
    network: keras.Model, caplog: pytest.LogCaptureFixture
) -> None:
    network.compile(keras.optimizers.SGD(Schedule()), own_loss)
    smaller = stamp_tf.remove_channels(network, {"conv1": [1, 0, 1, 1, 1, 1]})
    assert not smaller.compiled
    (line,) = caplog.messages
    assert line.startswith(
        "The smaller model is not compiled, since the old one's compile failed: NotImplemented"
    )


def test_a_model_in_half_precision_stays_in_it(classify, conv) -> None:
    model = classify(lambda x: conv(4, "a", dtype="bfloat16")(x))
    smaller = stamp_tf.remove_channels(model, {"a": [1, 0.5, 0, 1]})
    assert smaller.get_layer("a").kernel.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"conv9": [1]}, r"there is no group 'conv9'. Did you mean 'conv"),
        ({"conv1": [1, 0]}, r"mask of conv1 must have one value per channel \(6\), but has shape \(2,\)"),
        ({"conv1": [0] * 6}, r"keep at least one channel of every layer, but empties conv1"),
        ({"conv1": [1] * 6}, r"must remove at least one channel, but hold no 0"),
        ({}, r"must remove at least one channel"),
        (np.ones(3), r"one value per channel \(23\), but has shape \(3,\)|must remove at least one"),
    ],
)
def test_wrong_masks_are_refused(network: keras.Model, masks: object, message: str) -> None:
    with pytest.raises(StampError, match=message):
        stamp_tf.remove_channels(network, masks)


def test_a_map_prints_its_groups_and_what_is_kept_whole(classify, conv) -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = keras.layers.Add()([conv(4, "a")(x), conv(4, "b")(x)])
        return conv(3, "c")(keras.layers.LayerNormalization(name="norm")(conv(5, "d")(x)))

    lines = str(stamp_tf.trace_channels(classify(body))).splitlines()
    assert lines[0] == "2 channel groups, 7 channels"
    assert lines[1].split() == ["a", "4", "tied:", "b"]
    assert lines[-2:] == [
        "kept whole",
        "  norm: its mean and variance run over all channels, so the channels of d stay",
    ]
