"""What a reference network says of a data set."""

from __future__ import annotations

import numpy as np

from stamp_tf.data import DataSet, Normalization
from stamp_tf.meta.reference import Reference
from stamp_tf.pruning.stamp import SET_SIZE


def scores_for(reference: Reference, dataset: DataSet, *, seed: int) -> np.ndarray:
    """Return the reference's score of every channel for a sample of a data set, float32 `[C]`.

    Args:
        reference: With learnt scores or a mask generator.
        dataset: The target; of its training images a set as large as in pruning is drawn.
        seed: Decides which images.

    Raises:
        StampError: If the reference has no scores.
    """
    part = reference.draw_set(dataset.train, SET_SIZE, seed=seed)
    scores = reference.propose_scores(
        part.images, normalization=Normalization.of(dataset.train), labels=part.labels
    )
    return np.asarray(scores, "float32")
