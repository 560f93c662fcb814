"""It is a set encoder, and more than a mean."""

import numpy as np

from acorn.mean_max import MeanMax
from stamp_tf.testing import check_set_encoder


def test_it_is_a_set_encoder():
    check_set_encoder(MeanMax)


def test_it_tells_sets_of_one_mean_apart():
    encoder = MeanMax()
    flat = np.zeros((2, 32, 32, 3), "float32")
    apart = np.stack([np.ones((32, 32, 3)), -np.ones((32, 32, 3))]).astype("float32")
    assert np.abs(np.asarray(encoder(flat)) - np.asarray(encoder(apart))).max() > 1e-2
