"""What a reference network says of a data set, and references that say it in a simpler way."""

from __future__ import annotations

import dataclasses

import numpy as np

from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.data import DataSet, ImageSet, Normalization, StreamedSet
from stamp_tf.errors import StampError
from stamp_tf.pruning.stamp import SET_SIZE
from stamp_tf.references.reference import Reference, make_layer
from stamp_tf.training.class_reference import learn_reference


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


def statistic_reference(reference: Reference, images: ImageSet | StreamedSet, *, seed: int) -> Reference:
    """Return the reference with class statistics added to its learnt order, at a gain that nothing learnt.

    Args:
        reference: With learnt scores; they become the base of `class-separation`.
        images: Training images of the data set it was trained on; their statistics are subtracted.
        seed: Decides which of them are looked at.

    Raises:
        StampError: If the reference has no scores.
    """
    if reference.scores is None:
        raise StampError(
            "Class statistics need a reference with a learnt order, but this one has none; train it at budgets."
        )
    shape = (None, *reference.backbone.input_shape)
    set_encoder = make_layer("set_encoders", "images", {}, shape=shape)
    mask_generator = make_layer(
        "mask_generators",
        "class-separation",
        {"group_sizes": list(reference.channel_map.group_sizes)},
        shape=(set_encoder.compute_output_shape(shape)[0], reference.channel_map.num_channels),
    )
    mask_generator.start_from(reference.scores)
    changed = dataclasses.replace(reference, set_encoder=set_encoder, mask_generator=mask_generator)
    learn_reference(changed, images, seed=seed)
    return changed
