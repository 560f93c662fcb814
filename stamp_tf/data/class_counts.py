"""One line that says which classes a data set has, and how many images of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.data.dataset import ImageSet

if TYPE_CHECKING:
    from stamp_tf.data.dataset import DataSet
    from stamp_tf.data.streaming import StreamedSet

logger = logging.getLogger(__name__)

MOST_LISTED = 12
"""Beyond so many classes, only the scarcest and the most frequent are named."""
EXTREMES = 3
MOST_LETTERS = 40

DARK = 16
"""Images none of which reaches this of 255 are suspected to be of another range."""


def class_counts(part: ImageSet | StreamedSet) -> np.ndarray | None:
    """Count the images of every class.

    Args:
        part: In memory or streamed.

    Returns:
        int64 `[classes]`; None for a streamed part that would have to be read for it.
    """
    if isinstance(part, ImageSet):
        return np.bincount(part.labels, minlength=part.num_classes)
    return part.class_counts


def describe_classes(dataset: DataSet) -> str:
    """Name the classes with their numbers of images, those of many classes by their extremes.

    Args:
        dataset: Any.
    """
    names = tuple(
        name if len(name) <= MOST_LETTERS else f"{name[:MOST_LETTERS]}..." for name in dataset.class_names
    )
    train, test = class_counts(dataset.train), class_counts(dataset.test)
    head = f"{dataset.name}: {len(dataset.train):,} images to train on and {len(dataset.test):,} to test on"
    if train is None or test is None:
        listed = ", ".join(names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "")
        return f"{head}, of {len(names):,} classes: {listed}."
    if len(names) <= MOST_LISTED:
        listed = ", ".join(
            f"{name} {own:,} + {other:,}" for name, own, other in zip(names, train, test, strict=True)
        )
        text = f"{head}, of {len(names)} classes: {listed}."
    else:
        order = np.argsort(train, kind="stable")
        fewest, most = (
            ", ".join(f"{names[label]} {train[label]:,} + {test[label]:,}" for label in labels)
            for labels in (order[:EXTREMES], order[: -EXTREMES - 1 : -1])
        )
        text = f"{head}, of {len(names):,} classes. Fewest: {fewest}. Most: {most}."
    if train.min() > 0 and train.max() >= 2 * train.min():
        text += f" The largest class has {train.max() / train.min():.3g} times the images of the smallest."
    return text


def warn_of_dark_images(dataset: DataSet) -> None:
    """Warn of parts in memory that are nearly black, such as numbers in [0, 1] that were cut to 8 bits.

    Args:
        dataset: Any.
    """
    for what, part in (("train on", dataset.train), ("test on", dataset.test)):
        if isinstance(part, ImageSet) and (largest := int(part.images.max())) < DARK:
            logger.warning(
                "%s: the images to %s are nearly black, with %d of 255 as their largest value; scale them before they "
                "are saved in 8 bits.",
                dataset.name,
                what,
                largest,
            )
