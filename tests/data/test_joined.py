"""Data sets that are trained on together."""

import dataclasses

import numpy as np
import pytest

from stamp_tf.data import Batches, DataSet, ImageSet, Normalization
from stamp_tf.data.joined import joined
from stamp_tf.errors import StampError


def toy(
    name: str, classes: tuple[str, ...], *, shape: tuple[int, ...] = (4, 4, 3), flips: bool = True
) -> DataSet:
    rng = np.random.default_rng(len(name))
    labels = np.arange(12, dtype="int32") % len(classes)
    images = ImageSet(rng.integers(0, 256, (12, *shape), "uint8"), labels, len(classes), class_names=classes)
    return DataSet(name, images, images, flips=flips)


def test_classes_follow_each_other_and_keep_their_images() -> None:
    one, other = toy("one", ("cat", "dog")), toy("other", ("A", "dog", "B"), flips=False)
    both = joined([one, other])
    assert both.images.class_names == ("cat", "dog", "A", "other: dog", "B")
    np.testing.assert_array_equal(both.flips, [True, True, False, False, False])
    np.testing.assert_array_equal(both.images.images[:12], one.train.images)
    np.testing.assert_array_equal(both.images.labels[:12], one.train.labels)
    np.testing.assert_array_equal(both.images.labels[12:], other.train.labels + 2)


def test_only_classes_that_may_be_mirrored_are() -> None:
    one, other = toy("one", ("cat", "dog")), toy("other", ("A", "B"), flips=False)
    both = joined([one, other])
    plain = {"normalization": Normalization((0.0,) * 3, (1.0,) * 3), "seed": 0, "augment": True}
    with_all, with_none, with_some = (
        next(iter(Batches(both.images, 24, flip=flip, **plain).epoch(0)))
        for flip in (True, False, both.flips)
    )
    is_mirrored = (with_all[0] != with_none[0]).any(axis=(1, 2, 3))
    assert is_mirrored[with_all[1] < 2].any()
    assert is_mirrored[with_all[1] >= 2].any()
    expected = np.where((with_all[1] < 2)[:, None, None, None], with_all[0], with_none[0])
    np.testing.assert_array_equal(with_some[0], expected)


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(StampError, match=r"one shape, but one has \[4, 4, 3\] and large \[8, 8, 3\]"):
        joined([toy("one", ("a", "b")), toy("large", ("c", "d"), shape=(8, 8, 3))])


def test_a_streamed_set_is_refused() -> None:
    class Streamed:
        class_names, num_classes, image_shape, labels = ("c", "d"), 2, (4, 4, 3), None

    one = toy("one", ("a", "b"))
    streamed = dataclasses.replace(one, name="much")
    object.__setattr__(streamed, "train", Streamed())
    with pytest.raises(StampError, match="must fit into memory, but much is streamed"):
        joined([one, streamed])
