"""Expected calibration error, by hand."""

import numpy as np
import pytest

from stamp_tf.measure.calibration import Calibration


def test_the_error_is_the_mean_distance_of_accuracy_and_confidence_by_bin() -> None:
    # Two images of 0.9 of which one is right, three of 0.5 of which all are: (2 * 0.4 + 3 * 0.5) / 5.
    found = Calibration.of(np.array([0.9, 0.5, 0.9, 0.5, 0.5]), np.array([True, True, False, True, True]))
    assert found.error == pytest.approx((2 * 0.4 + 3 * 0.5) / 5)
    assert found.confidence == pytest.approx(0.66)
    assert [(one.images, one.accuracy) for one in found.bins] == [(3, 1.0), (2, 0.5)]
    assert all(one.low < one.confidence <= one.high for one in found.bins)


def test_every_probability_has_a_bin() -> None:
    shares = np.linspace(0, 1, 1001, dtype=np.float32)
    found = Calibration.of(shares, np.random.default_rng(0).random(1001) < shares)
    assert len(found.bins) == 15
    assert sum(one.images for one in found.bins) == 1001
    assert found.bins[-1].high == 1.0
    assert found.error < 0.1
