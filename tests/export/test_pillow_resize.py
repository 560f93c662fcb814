"""Resizing in the graph against Pillow, which resizes the images of a run."""

import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.data.resize import fit_images
from stamp_tf.export.pillow_resize import resize_as_pillow


def noise(height: int, width: int, depth: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, height, width, depth)).astype(np.uint8)


@pytest.mark.parametrize(
    "size", [(1, 1), (8, 8), (17, 23), (16, 40), (40, 12), (100, 57), (57, 100), (333, 500)]
)
@pytest.mark.parametrize("depth", [1, 3])
def test_it_agrees_with_pillow_to_two_grey_levels(size: tuple[int, int], depth: int) -> None:
    images = noise(*size, depth)
    ours = resize_as_pillow(tf.constant(images, tf.float32), 16, 12).numpy()
    theirs = fit_images(images, (16, 12, depth)).astype(float)
    assert np.abs(ours - theirs).max() <= 2
    assert (ours == theirs).mean() > 0.7
    assert np.abs((ours - theirs).mean()) < 0.05


def test_what_fits_is_left_alone() -> None:
    images = tf.random.stateless_uniform((2, 16, 12, 3), (0, 1), 0.0, 255.0)
    np.testing.assert_array_equal(resize_as_pillow(images, 16, 12), images)
