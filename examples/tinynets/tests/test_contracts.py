"""What stamp-tf expects of a backbone, a set encoder and a channel rule."""

import keras
import numpy as np
import pytest

from stamp_registry import load
from tinynets.moments import Moments
from tinynets.scale import scale_rule
from tinynets.separable import separable


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 32, 32, 3)).astype("float32")


def test_names_lead_to_the_objects():
    assert load("stamp_tf.backbones", "separable") is separable
    assert load("stamp_tf.set_encoders", "moments") is Moments
    assert load("stamp_tf.channel_rules", "tinynets.scale.Scale") is scale_rule


@pytest.mark.parametrize("shape", [(32, 32, 3), (40, 36, 1)])
def test_backbone_is_a_functional_model_of_logits(shape):
    network = separable(shape, 7, width=0.25)
    assert isinstance(network, keras.Model)
    assert network(np.zeros((2, *shape), "float32")).shape == (2, 7)


def test_backbone_is_understood_whole():
    from stamp_tf.channels import trace_channels

    channel_map = trace_channels(separable((32, 32, 3), 7, width=0.25))
    assert not channel_map.kept_whole
    # The stem with what is added to it, and what each stage sets beside; the second sum ties the first two.
    assert channel_map.num_channels == 3 * 8


def test_scales_lose_the_channels_of_what_they_scale():
    from stamp_tf.channels import slice_model, trace_channels

    network = separable((32, 32, 3), 7, width=0.25)
    channel_map = trace_channels(network)
    mask = np.ones(channel_map.num_channels)
    mask[channel_map.groups[0].start] = 0
    smaller = slice_model(network, channel_map, mask)
    assert smaller.get_layer("stage1_scale").factor.shape == (7,)
    assert smaller(images(2)).shape == (2, 7)


@pytest.mark.parametrize("count", [1, 5, 64])
def test_encoder_maps_a_set_to_pseudo_images(count):
    assert Moments(num_outputs=2)(images(count)).shape == (2, 32, 32, 3)


def test_encoder_does_not_mind_the_order():
    encoder = Moments()
    np.testing.assert_allclose(encoder(images(9)), encoder(images(9)[::-1].copy()), atol=1e-5)


def test_encoder_survives_its_config():
    encoder = Moments(num_outputs=3, width=5)
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert (clone.num_outputs, clone.width) == (3, 5)


def test_encoder_refuses_nothing_to_return():
    with pytest.raises(ValueError, match="num_outputs and width must be at least 1, but they are 0 and 16"):
        Moments(num_outputs=0)
