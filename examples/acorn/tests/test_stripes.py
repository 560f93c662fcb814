"""The name and its argument lead to the images."""

import pytest

from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError
from stamp_tf.testing import check_dataset


def test_it_is_a_data_set():
    check_dataset("stripes:20")


def test_about_a_fifth_is_for_testing():
    dataset = load_dataset("stripes:20", image_shape=(32, 32, 3))
    assert dataset.class_names == ("across", "down", "diagonal")
    assert len(dataset.train) + len(dataset.test) == 60
    assert 4 <= len(dataset.test) <= 20
    assert dataset.image_shape == (32, 32, 3)


def test_a_word_is_no_count():
    with pytest.raises(StampError, match="must count at least 5 images per class, but got many"):
        load_dataset("stripes:many")
