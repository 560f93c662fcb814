"""Zero mean and unit deviation, and the way through JSON."""

import json

import numpy as np
import pytest

from stamp_tf.data import ImageSet, Normalization
from stamp_tf.errors import StampError


def test_normalised_set_has_zero_mean_and_unit_deviation(image_set: ImageSet) -> None:
    normalised = Normalization.of(image_set)(image_set.images)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_statistics_are_those_of_pixels_in_unit_range(image_set: ImageSet) -> None:
    normalization = Normalization.of(image_set)
    pixels = image_set.images / 255
    np.testing.assert_allclose(normalization.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(normalization.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_constant_images_do_not_divide_by_zero() -> None:
    black = ImageSet(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1], np.int32), 2, class_names=("a", "b"))
    assert np.isfinite(Normalization.of(black)(black.images)).all()


def test_config_survives_json(image_set: ImageSet) -> None:
    normalization = Normalization.of(image_set)
    assert Normalization.from_config(json.loads(json.dumps(normalization.to_config()))) == normalization


@pytest.mark.parametrize("std", [(1.0,), (1.0, 0.0), (1.0, float("nan")), (1.0, float("inf"))])
def test_refuses_statistics_that_do_not_fit(std: tuple[float, ...]) -> None:
    with pytest.raises(StampError, match="one finite mean and one positive std per image depth"):
        Normalization((0.5, 0.5), std)


def test_refuses_images_of_another_depth(image_set: ImageSet) -> None:
    with pytest.raises(StampError, match="must be uint8 of depth 1 to be normalised"):
        Normalization((0.5,), (0.5,))(image_set.images)
