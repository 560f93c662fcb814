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
        StampError: If a class that has images has only one.
    """
    require_two_images(name, images.labels, images.class_names)
    held_out = np.zeros(len(images), bool)
    held_out[held_out_indices(images.labels, fraction=TEST_FRACTION, seed=seed)] = True
    logger.info(
        "%s has no test split: %d of its %d images (20 %% of every class, seed %d) are held out for testing.",
        name,
        held_out.sum(),
        len(images),
        seed,
    )
    return DataSet(
        name, images.take(np.flatnonzero(~held_out)), images.take(np.flatnonzero(held_out)), flips=flips
    )


def require_two_images(name: str, labels: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Refuse to split a class of a single image.

    Args:
        name: Of the data set.
        labels: int `[n]`.
        class_names: One name per class.

    Raises:
        StampError: If a class has exactly one image.
    """
    lonely = np.flatnonzero(np.bincount(labels, minlength=len(class_names)) == 1)
    if len(lonely):
        raise StampError(
            f"--dataset {name} must have 2 or more images per class to split off a test set, but class "
            f"'{class_names[lonely[0]]}' has one; add images or a test split."
        )
