"""Where a share lies for certain."""

import numpy as np
import pytest

from stamp_tf.measure.interval import accuracy_interval


def test_interval_holds_the_share_that_answers_are_drawn_with() -> None:
    """95 of 100 intervals do, whatever the share."""
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        ends = [accuracy_interval(right / 200, 200) for right in rng.binomial(200, share, 2000)]
        assert np.mean([low <= share <= high for low, high in ends]) == pytest.approx(0.95, abs=0.015)


def test_share_without_a_mistake_is_not_certain() -> None:
    low, high = accuracy_interval(1.0, 20)
    assert (high, low < 0.9) == (1.0, True)
