"""Training images that are held out to judge epochs by, so that test images are looked at once, at the end."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.subset import held_out_indices
from stamp_tf.errors import StampError
from stamp_tf.notation import in_words_of_the_caller

logger = logging.getLogger(__name__)


def with_validation(dataset: DataSet, share: float | None, *, seed: int) -> DataSet:
    """Return a data set with a share of every class of its training images held out as `validation`.

    Args:
        dataset: One that has such a part of its own is returned as it is.
        share: In (0, 1); None holds nothing out.
        seed: Decides which images.

    Raises:
        StampError: If the training images are streamed, or no class has two of them.
    """
    if share is None or dataset.validation is not None:
        return dataset
    train = dataset.train
    if not isinstance(train, ImageSet):
        raise StampError(
            f"`val_split` needs training images in memory, but those of `dataset` {dataset.name} are streamed; leave "
            "it out, or take a part of them with `train_size`."
        )
    held = held_out_indices(train.labels, fraction=share, seed=seed)
    if not len(held):
        raise StampError(
            f"`val_split` needs two training images of a class, for one to be held out, but `dataset` {dataset.name} "
            "has one of each; add images, or leave it out."
        )
    if 2 * len(held) > len(train):
        words = (
            f"`val_split` holds {len(held)} of the {len(train)} training images out, so that {len(train) - len(held)} "
            "are left to train on; a smaller share such as 0.2 is usual."
        )
        logger.warning("%s", in_words_of_the_caller(words))
    others = np.setdiff1d(np.arange(len(train)), held)
    logger.info(
        "%d of the %d training images are held out to judge epochs by; test images are looked at once, at the end.",
        len(held),
        len(train),
    )
    return dataclasses.replace(dataset, train=train.take(others), validation=train.take(held))


def num_trained_on(dataset: DataSet, share: float | None) -> int:
    """Return how many training images are left to train on.

    Args:
        dataset: With or without a part held out.
        share: As in `with_validation`.
    """
    train = dataset.train
    if share is None or dataset.validation is not None or not isinstance(train, ImageSet):
        return len(train)
    return len(train) - len(held_out_indices(train.labels, fraction=share, seed=0))
