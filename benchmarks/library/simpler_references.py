"""What a reference network says of a data set, and references that say it in a simpler way."""

from __future__ import annotations

import dataclasses

import numpy as np

from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.data import DataSet, Normalization, random_part
from stamp_tf.errors import StampError
from stamp_tf.pruning.stamp import SET_SIZE
from stamp_tf.references.reference import Reference


def scores_for(reference: Reference, dataset: DataSet, *, seed: int) -> np.ndarray:
    """Return the reference's score of every channel for a sample of a data set, float32 `[C]`.

    Args:
        reference: With learnt scores or a mask generator.
        dataset: The target; of its training images a set as large as in pruning is drawn.
        seed: Decides which images.

    Raises:
        StampError: If the reference has no scores.
    """
    part = random_part(dataset.train, SET_SIZE, seed=seed)
    scores = reference.propose_scores(part.images, normalization=Normalization.of(dataset.train))
    return np.asarray(scores, "float32")


def static_reference(reference: Reference) -> Reference:
    """Return the reference with its learnt order for every target.

    Args:
        reference: With learnt scores.
    """
    return dataclasses.replace(reference, set_encoder=None, mask_generator=None)


def uniform_reference(reference: Reference) -> Reference:
    """Return the reference with its learnt order for every target, in uniform widths.

    Args:
        reference: With learnt scores; the same fraction of every layer stays, best first.

    Raises:
        StampError: If the reference has no scores.
    """
    if reference.scores is None:
        raise StampError(
            "Uniform widths need a reference with a learnt order, but this one has none; train it at budgets."
        )
    scores = uniform_scores(reference.channel_map, reference.scores).astype("float32")
    return dataclasses.replace(static_reference(reference), scores=scores)
