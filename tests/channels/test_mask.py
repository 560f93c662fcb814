"""Masking kernels equals masking what they read."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from stamp_tf.channels import ChannelMap, mask_kernels, trace_channels

Draw = Callable[..., np.ndarray]


def masked_weights(model: keras.Model, channel_map: ChannelMap, mask: object) -> dict[str, np.ndarray]:
    paths = [variable.path for variable in model.trainable_variables]
    weights = [variable.value for variable in model.trainable_variables]
    return dict(
        zip(
            paths,
            mask_kernels(channel_map, paths, weights=weights, mask=ops.convert_to_tensor(mask)),
            strict=True,
        )
    )


def test_only_reading_kernels_change(network: keras.Model, channel_map: ChannelMap, draw_mask: Draw) -> None:
    masked = masked_weights(network, channel_map, draw_mask(channel_map, seed=0, soft=True))
    changed = {
        variable.path
        for variable in network.trainable_variables
        if not np.array_equal(variable.value, masked[variable.path])
    }
    assert changed == {"conv2/kernel", "conv3/kernel", "conv4/kernel", "logits/kernel"}


def test_a_mask_of_ones_changes_no_bit(network: keras.Model, channel_map: ChannelMap) -> None:
    masked = masked_weights(network, channel_map, np.ones(channel_map.num_channels, "float32"))
    for variable in network.trainable_variables:
        np.testing.assert_array_equal(variable.value, masked[variable.path])


def test_masking_kernels_equals_masking_activations(classify, conv, masked, draw_mask: Draw) -> None:
    """Against a network that multiplies the activations themselves, soft values included."""
    mask = np.linspace(0, 1, 9, dtype="float32")

    def body(x: keras.KerasTensor, *, gated: bool) -> keras.KerasTensor:
        x = layers.ReLU()(layers.BatchNormalization(name="norm")(conv(5, "a")(x)))
        x = x * mask[:5] if gated else x
        x = layers.AveragePooling2D(2)(layers.Activation("tanh")(conv(4, "b")(x)))
        return x * mask[5:] if gated else x

    plain, gated = (classify(lambda x, g=g: body(x, gated=g)) for g in (False, True))
    gated.set_weights(plain.get_weights())
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
    for training in (False, True):
        np.testing.assert_allclose(
            masked(plain, trace_channels(plain), mask, images, training=training),
            gated(images, training=training),
            atol=1e-6,
        )


def test_gradient_reaches_the_mask_and_the_weights(network: keras.Model, channel_map: ChannelMap) -> None:
    mask = tf.fill([channel_map.num_channels], 0.5)
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
    paths = [variable.path for variable in network.trainable_variables]
    weights = [variable.value for variable in network.trainable_variables]
    statistics = [variable.value for variable in network.non_trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([mask, *weights])
        outputs, _ = network.stateless_call(
            mask_kernels(channel_map, paths, weights=weights, mask=mask), statistics, images
        )
        loss = tf.reduce_sum(outputs**2)
    of_mask, *of_weights = tape.gradient(loss, [mask, *weights])
    assert np.count_nonzero(of_mask) == channel_map.num_channels
    assert all(gradient is not None for gradient in of_weights)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_weights_keep_their_type(channel_map: ChannelMap, network: keras.Model, dtype: str) -> None:
    paths = [variable.path for variable in network.trainable_variables]
    weights = [ops.cast(variable.value, dtype) for variable in network.trainable_variables]
    mask = ops.ones((channel_map.num_channels,))
    assert {weight.dtype for weight in mask_kernels(channel_map, paths, weights=weights, mask=mask)} == {
        weights[0].dtype
    }


def test_weights_that_are_not_given_are_left_out(channel_map: ChannelMap) -> None:
    kernel = np.ones((6, 3), "float32")
    masked = mask_kernels(
        channel_map, ["other/kernel"], weights=[kernel], mask=ops.zeros((channel_map.num_channels,))
    )
    np.testing.assert_array_equal(masked[0], kernel)
