"""The layer loses channels on both of its sides."""

import keras

import stamp_tf
from acorn.gated import Gated
from stamp_tf.testing import check_channel_rule


def network() -> keras.Model:
    inputs = keras.Input((6,))
    x = Gated(5, name="gated")(keras.layers.Dense(4, name="before")(inputs))
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))


def test_it_has_a_rule():
    check_channel_rule(network)


def test_it_loses_channels():
    smaller = stamp_tf.remove_channels(network(), {"before": [1, 0, 1, 1], "gated": [0, 1, 1, 0, 1]})
    assert smaller.get_layer("gated").kernel.shape == (3, 3)
    assert smaller.get_layer("gated").units == 3
