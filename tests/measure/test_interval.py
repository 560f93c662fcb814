"""Where a share lies for certain."""

import numpy as np
import pytest

from stamp_tf.measure.interval import wilson_interval, with_interval


def test_interval_holds_the_share_that_answers_are_drawn_with() -> None:
    """95 of 100 intervals do, whatever the share."""
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        ends = [wilson_interval(right / 200, 200) for right in rng.binomial(200, share, 2000)]
        assert np.mean([low <= share <= high for low, high in ends]) == pytest.approx(0.95, abs=0.015)


def test_share_without_a_mistake_is_not_certain() -> None:
    low, high = wilson_interval(1.0, 20)
    assert (high, low < 0.9) == (1.0, True)


def test_words_name_the_share_the_images_and_both_ends() -> None:
    assert with_interval(137 / 153, 153) == "89.5 % of 153 images, 83.7 to 93.5"


def test_a_single_image_is_not_plural() -> None:
    assert " of 1 image, " in with_interval(1.0, 1)
