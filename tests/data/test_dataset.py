"""Sets in memory: their types, balanced parts and passes."""

import dataclasses

import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((40, 16, 16, 3), np.float32)}, "images must be uint8.*float32"),
        ({"images": np.zeros((40, 16, 16), np.uint8)}, r"images must be uint8 of shape.*\[40, 16, 16\]"),
        ({"labels": np.zeros(40, np.int64)}, "labels must be int32.*int64"),
        ({"labels": np.zeros(39, np.int32)}, r"one per image.*\[39\]"),
        ({"labels": np.full(40, 4, np.int32)}, r"labels must be in \[0, 4\).*span \[4, 4\]"),
        ({"labels": np.full(40, -1, np.int32)}, "labels must be in"),
        ({"class_names": ("one",)}, "class_names must hold one name for each of the 4 classes.*holds 1"),
    ],
)
def test_image_set_refuses_what_does_not_fit(
    image_set: ImageSet, change: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(StampError, match=message):
        dataclasses.replace(image_set, **change)


def test_data_set_refuses_parts_that_disagree(image_set: ImageSet) -> None:
    other = dataclasses.replace(image_set, images=image_set.images[:, :8])
    with pytest.raises(StampError, match="--dataset toy must have the same image shape in train and test"):
        DataSet("toy", image_set, other)


def test_subset_holds_the_same_number_of_every_class_and_says_so(
    image_set: ImageSet, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        part = image_set.subset(22, seed=0)
    assert "Training on 20 images instead of 22: 5 of each of the 4 classes." in caplog.text
    np.testing.assert_array_equal(np.bincount(part.labels), [5, 5, 5, 5])


def test_subset_depends_on_the_seed_alone(image_set: ImageSet) -> None:
    first, again, other = (image_set.subset(8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.images, again.images)
    assert (first.images != other.images).any()


def test_larger_subset_contains_the_smaller(image_set: ImageSet) -> None:
    small, large = (image_set.subset(size, seed=3) for size in (8, 24))
    known = {image.tobytes() for image in large.images}
    assert all(image.tobytes() in known for image in small.images)


def test_subset_refuses_less_than_one_image_per_class(image_set: ImageSet) -> None:
    with pytest.raises(
        StampError, match=r"--train-size must be at least one image.*4 classes, but is 3; give 4"
    ):
        image_set.subset(3, seed=0)


def test_subset_names_the_scarcest_class_and_the_largest_size(image_set: ImageSet) -> None:
    scarce = image_set.take(np.flatnonzero((image_set.labels != 2) | (np.arange(40) < 12)))
    with pytest.raises(StampError, match="asks for 5 and class 'class 2' has 3; give at most 12"):
        scarce.subset(20, seed=0)


def test_raw_batches_pass_every_image_once(image_set: ImageSet) -> None:
    batches = list(image_set.raw_batches(12, order_seed=(1,), drop_remainder=False))
    assert [len(labels) for _, labels in batches] == [12, 12, 12, 4]
    seen = {image.tobytes() for images, _ in batches for image in images}
    assert seen == {image.tobytes() for image in image_set.images}
