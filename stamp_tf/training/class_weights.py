"""How much the images of a class count in the loss, where some classes have many more than others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.data.class_counts import class_counts
from stamp_tf.notation import in_words_of_the_caller

if TYPE_CHECKING:
    from stamp_tf.data import DataSet, ImageSet, StreamedSet
    from stamp_tf.options.finetune import FinetuneConfig

logger = logging.getLogger(__name__)

_UNBALANCED = 10


def class_weights(dataset: DataSet, config: FinetuneConfig) -> np.ndarray | None:
    """Return the weight of each class in the loss, float32 `[classes]`; None where all images count alike.

    Balanced weights are inverse to the numbers of training images, with a mean of 1 over these, so that every class
    has as much to say and the loss keeps its size. Classes that differ by more than ten times are warned of.

    Args:
        dataset: Its training images are counted.
        config: Options of fine-tuning.
    """
    counts = _counts(dataset.train)
    present = counts[counts > 0]
    if config.class_weights == "balanced":
        weights = np.where(counts > 0, counts.sum() / (len(present) * np.maximum(counts, 1)), 0.0)
        return weights.astype("float32")
    if present.max() > _UNBALANCED * present.min():
        scarcest, largest = (
            dataset.class_names[label]
            for label in (np.where(counts > 0, counts, np.inf).argmin(), counts.argmax())
        )
        words = (
            f"Classes are unbalanced, '{largest}' with {present.max()} training images and '{scarcest}' with "
            f"{present.min()}; with `class_weights=balanced` each has as much to say in the loss."
        )
        logger.warning("%s", in_words_of_the_caller(words))
    return None


def _counts(part: ImageSet | StreamedSet) -> np.ndarray:
    """Count the images of every class, by a pass over the set where nobody knows."""
    if (known := class_counts(part)) is not None:
        return known

    def labels() -> Iterator[np.ndarray]:
        for _, some in part.raw_batches(500, order_seed=None, drop_remainder=False):
            yield some

    return np.bincount(np.concatenate(list(labels())), minlength=part.num_classes)
