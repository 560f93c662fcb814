"""Deep Sets: pooling and options."""

import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.set_encoders.deep_sets import DeepSets


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_doubling_every_image_changes_nothing(pooling: str) -> None:
    encoder = DeepSets(width=8, pooling=pooling)
    images = np.random.default_rng(0).normal(size=(6, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(encoder(np.concatenate([images, images])), encoder(images), atol=1e-5)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(StampError, match="pooling must be one of mean, max, but it is 'sum'"):
        DeepSets(pooling="sum")


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(StampError, match="num_blocks must be at least 1, but it is 0"):
        DeepSets(num_blocks=0)
