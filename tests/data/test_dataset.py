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


@pytest.fixture
def scarce(image_set: ImageSet) -> ImageSet:
    """Ten images of each of four classes, but three of the third."""
    return image_set.take(np.flatnonzero((image_set.labels != 2) | (np.arange(40) < 12)))


def test_subset_takes_all_of_a_class_that_has_too_few_and_says_so(
    scarce: ImageSet, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        part = scarce.subset(20, seed=0)
    assert np.bincount(part.labels).tolist() == [5, 5, 3, 5]
    assert (
        "Training on 18 images: 5 of each of the 3 classes, and all of 'class 2', which has 3." in caplog.text
    )
    few = scarce.take(np.flatnonzero((scarce.labels != 0) | (np.cumsum(scarce.labels == 0) <= 2)))
    caplog.clear()
    with caplog.at_level("INFO"):
        assert np.bincount(few.subset(21, seed=0).labels).tolist() == [2, 8, 3, 8]
    assert "and all of the 2 that have fewer, such as 'class 0' with 2." in caplog.text


def test_larger_subset_of_unequal_classes_contains_the_smaller(scarce: ImageSet) -> None:
    before: set[bytes] = set()
    for size in range(4, len(scarce) + 1):
        part = scarce.subset(size, seed=1)
        images = {image.tobytes() for image in part.images}
        assert before <= images
        assert len(part) <= size
        counts = np.bincount(part.labels)
        # Nobody with images left has fewer than another.
        assert all(count == counts.max() or (label == 2 and count == 3) for label, count in enumerate(counts))
        before = images
    assert len(before) == len(scarce)


def test_subset_refuses_more_images_than_there_are(scarce: ImageSet) -> None:
    with pytest.raises(StampError, match="--train-size must be at most the number of training images, 33"):
        scarce.subset(34, seed=0)


def test_raw_batches_pass_every_image_once(image_set: ImageSet) -> None:
    batches = list(image_set.raw_batches(12, order_seed=(1,), drop_remainder=False))
    assert [len(labels) for _, labels in batches] == [12, 12, 12, 4]
    seen = {image.tobytes() for images, _ in batches for image in images}
    assert seen == {image.tobytes() for image in image_set.images}
