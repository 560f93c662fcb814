"""Images that lie in both parts of a data set, which make its accuracy look better than it is."""

import functools
import logging
from collections.abc import Callable

import numpy as np

from stamp_tf.data.content import content_keys
from stamp_tf.data.dataset import DataSet, ImageSet

logger = logging.getLogger(__name__)


def warn_of_shared_images(
    name: str,
    train_keys: np.ndarray,
    test_keys: np.ndarray,
    *,
    name_train: Callable[[int], str],
    name_test: Callable[[int], str],
) -> int:
    """Count the test images that are training images too, and say so in the log if there are any.

    Args:
        name: Of the data set.
        train_keys: The number of each training image's content, uint64, see `content.py`.
        test_keys: Likewise of the test images.
        name_train: What to call the training image at a position.
        name_test: What to call the test image at a position.

    Returns:
        Number of test images that have a copy among the training images.
    """
    shared = np.flatnonzero(np.isin(test_keys, train_keys))
    if len(shared):
        examples = " and ".join(
            f"{name_test(int(position))} (a copy of {name_train(int((train_keys == test_keys[position]).argmax()))})"
            for position in shared[:2]
        )
        _warn_once(
            f"{name}: {len(shared):,} of its {len(test_keys):,} test images {'is' if len(shared) == 1 else 'are'} for "
            f"training too, such as {examples}. Its accuracy is higher by them than on new images; remove them from "
            "one of the parts."
        )
    return len(shared)


@functools.cache
def _warn_once(words: str) -> None:
    """Warn, and not again: a data set may be loaded many times, such as for every run of a memory."""
    logger.warning("%s", words)


def warn_of_shared_arrays(dataset: DataSet) -> None:
    """Do the same for a data set in memory; a streamed one is not read for it, and the log says so.

    Args:
        dataset: Best with its images in their own size.
    """
    train, test = dataset.train, dataset.test
    if not (isinstance(train, ImageSet) and isinstance(test, ImageSet)):
        logger.info("%s is streamed: nobody looks for images that are in both parts.", dataset.name)
        return
    warn_of_shared_images(
        dataset.name,
        content_keys(train.images),
        content_keys(test.images),
        name_train=lambda position: f"training image {position:,}",
        name_test=lambda position: f"test image {position:,}",
    )
