"""Masked and sliced networks of every architecture agree to the last digits."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from stamp_tf.channels import slice_model, trace_channels


@pytest.fixture
def float64() -> Iterator[None]:
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


def test_masked_and_sliced_networks_agree_in_float64(
    name: str, build, half, images, masked_logits, float64: None
) -> None:
    model = build(name)
    channel_map = trace_channels(model)
    mask, batch = half(channel_map), images(model)
    masked = masked_logits(model, channel_map, mask, batch)
    smaller = slice_model(model, channel_map, mask)
    assert smaller.count_params() < 0.6 * model.count_params()
    np.testing.assert_allclose(smaller(batch, training=False), masked, atol=1e-9 * masked.std(), rtol=0)
