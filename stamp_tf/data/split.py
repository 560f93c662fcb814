"""A test part for sets that bring none, chosen by the content of the images."""

import logging
from fractions import Fraction

import numpy as np

from stamp_tf.data.content import content_keys
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)

TEST_FRACTION = Fraction(1, 5)
FIRST_TRAINING_KEY = np.uint64(2**64 * TEST_FRACTION)
"""Images whose content has a smaller number are for testing: the same ones in every tool, copy and order."""


def with_test_split(name: str, images: ImageSet, *, flips: bool = True) -> DataSet:
    """Hold out about a fifth of every class for testing, and say so in the log.

    Args:
        name: Of the data set.
        images: All images, in their own size: a resized image counts as another one.
        flips: See `DataSet`.

    Raises:
        StampError: If a class has no two different images.
    """
    keys = content_keys(images.images)
    train, test = split_by_content(name, keys, labels=images.labels, class_names=images.class_names)
    return DataSet(name, images.take(train), images.take(test), flips=flips, test_by_content=True)


def split_by_content(
    name: str, keys: np.ndarray, *, labels: np.ndarray, class_names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Choose about a fifth of every class for testing, and say so in the log.

    The side of an image follows from its content alone: not from a seed, its name, its place or other images, and
    copies are never parted. Only where a class would have no image on one side, that with the smallest number (or
    the largest) changes sides.

    Args:
        name: Of the data set.
        keys: The number of each image's content, uint64 `[n]`.
        labels: int `[n]`, values in [0, number of class names).
        class_names: One name per class.

    Returns:
        Ascending positions to train on and to test on, int64.

    Raises:
        StampError: If a class has no two different images.
    """
    is_test = keys < FIRST_TRAINING_KEY
    for side, nearest in ((True, np.min), (False, np.max)):
        for label in _without(is_test == side, labels, len(class_names)):
            # All copies go along, those in other classes too.
            is_test[keys == nearest(keys[labels == label])] = side
    for side in (True, False):
        for label in _without(is_test == side, labels, len(class_names)):
            number = np.count_nonzero(labels == label)
            raise StampError(
                f"`dataset` {name} must have 2 or more different images per class to split off a test set, but class "
                f"'{class_names[label]}' has {'one' if number == 1 else f'{number} that are copies'}; add images or a "
                "test split."
            )
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    logger.info(
        "%s has no test split: %d of its %d images, chosen by their content, are held out for testing. A model of "
        "your own is judged fairly on them if it was trained on stamp_tf.load_dataset(...).train alone.",
        name,
        len(test),
        len(keys),
    )
    return train, test


def _without(chosen: np.ndarray, labels: np.ndarray, num_classes: int) -> list[int]:
    """Return the classes that have images, but none of those chosen."""
    counts = np.bincount(labels, minlength=num_classes)
    chosen_counts = np.bincount(labels[chosen], minlength=num_classes)
    return [int(label) for label in np.flatnonzero((counts > 0) & (chosen_counts == 0))]
