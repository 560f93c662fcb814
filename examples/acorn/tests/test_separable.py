"""The tracer understands the network whole, its layer `Scale` included."""

from functools import partial

import keras
import numpy as np

from acorn.scale import Scale
from acorn.separable import separable
from stamp_tf.channels import slice_model, trace_channels
from stamp_tf.testing import check_backbone, check_channel_rule


def test_it_is_a_backbone():
    check_backbone(partial(separable, width=0.25))


def test_every_channel_can_be_removed():
    channel_map = trace_channels(separable((32, 32, 3), 7, width=0.25))
    assert not channel_map.kept_whole
    # The stem with what is added to it, and what each stage sets beside; the second sum ties the first two.
    assert channel_map.num_channels == 3 * 8


def test_scales_lose_the_channels_of_what_they_scale():
    network = separable((32, 32, 3), 7, width=0.25)
    channel_map = trace_channels(network)
    mask = np.ones(channel_map.num_channels)
    mask[channel_map.groups[0].start] = 0
    smaller = slice_model(network, channel_map, mask)
    assert smaller.get_layer("stage1_scale").factor.shape == (7,)


def test_the_layer_has_a_rule():
    def network() -> keras.Model:
        inputs = keras.Input((8, 8, 3))
        x = Scale(name="scale")(keras.layers.Conv2D(6, 3, name="conv")(inputs))
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))

    check_channel_rule(network)
