"""A test split for sets that bring none."""

import logging

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.subset import held_out_indices
from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)

TEST_FRACTION = 0.2


def with_test_split(name: str, images: ImageSet, *, seed: int, flips: bool = True) -> DataSet:
    """Hold out a fifth of every class for testing, and say so in the log.

    Args:
        name: Of the data set.
        images: All images.
        seed: Decides which images are held out.
        flips: See `DataSet`.

    Raises:
        StampError: If a class has only one image.
    """
    train, test = split_labels(name, images.labels, images.class_names, seed=seed)
    return DataSet(name, images.take(train), images.take(test), flips=flips)


def split_labels(
    name: str, labels: np.ndarray, class_names: tuple[str, ...], *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the fifth of every class that is held out for testing, and say so in the log.

    Args:
        name: Of the data set.
        labels: int `[n]`, values in [0, number of class names).
        class_names: One name per class.
        seed: Decides which images are held out.

    Returns:
        Ascending positions to train on and to test on, int64.

    Raises:
        StampError: If a class has only one image.
    """
    lonely = np.flatnonzero(np.bincount(labels, minlength=len(class_names)) == 1)
    if len(lonely):
        raise StampError(
            f"--dataset {name} must have 2 or more images per class to split off a test set, but class "
            f"'{class_names[lonely[0]]}' has one; add images or a test split."
        )
    test = held_out_indices(labels, fraction=TEST_FRACTION, seed=seed)
    train = np.setdiff1d(np.arange(len(labels)), test, assume_unique=True)
    logger.info(
        "%s has no test split: %d of its %d images (20 %% of every class, seed %d) are held out for testing.",
        name,
        len(test),
        len(labels),
        seed,
    )
    return train, test
