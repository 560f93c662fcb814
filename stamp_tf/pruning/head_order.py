"""Which output of a network stands for which class, where its own head is used."""

from __future__ import annotations

import logging

import numpy as np

from stamp_tf.data import DataSet, random_part, with_classes
from stamp_tf.data.class_names import listed
from stamp_tf.errors import StampError
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.pruning.pixel_trial import MOST_IMAGES, PixelTrial, answers_of, best_matching
from stamp_tf.references.reference import Reference

logger = logging.getLogger(__name__)


def in_order_of_head(
    dataset: DataSet, reference: Reference, *, option: str, remedy: str, seed: int = 0
) -> DataSet:
    """Number the classes of a data set as a network numbers its outputs.

    Where the network knows the names of its classes, they decide. Where it does not, its outputs are taken for the
    classes in the order of the data set; the log says so, and warns where another order suits the images far better.

    Args:
        dataset: The target; only its training images are looked at.
        reference: What is pruned, its scale of pixels settled.
        option: What asks for the network's own head.
        remedy: What to do without it.
        seed: Decides which images are looked at.

    Raises:
        StampError: If the head is of other classes, or of none.
    """
    if "meta_train" in reference.description:
        raise StampError(
            f"{option} needs a head of the target's classes, but meta-training numbers its classes anew in each task; "
            f"{remedy}."
        )
    names = reference.description.get("class_names")
    if names is not None:
        return with_classes(dataset, names, remedy=remedy)
    if dataset.num_classes == reference.backbone.num_classes:
        logger.info(
            "The outputs of %s have no names; they are taken for the classes of %s in this order: %s.",
            reference.backbone.name,
            dataset.name,
            listed(dataset.class_names),
        )
        _warn_of_another_order(dataset, reference, remedy=remedy, seed=seed)
    return dataset


def _warn_of_another_order(dataset: DataSet, reference: Reference, *, remedy: str, seed: int) -> None:
    """Say it where the outputs go with other classes than their own."""
    images = random_part(dataset.train, MOST_IMAGES, seed=seed)
    answers = answers_of(reference, images, reference.normalization_for(dataset.train))
    matched, labels = best_matching(answers, images.labels, num_classes=dataset.num_classes)
    shares = {"given": float(np.mean(answers == images.labels)), "matched": matched}
    if not PixelTrial(shares, len(images), False).beyond_doubt("given"):
        return
    order = listed([dataset.class_names[label] for label in labels])
    words = (
        f"The outputs of {reference.backbone.name} do not seem to stand for the classes of {dataset.name} in this "
        f"order: it is right on {shares['given']:.0%} of {len(images)} training images, and on {matched:.0%} if they "
        f"stand for {order}; number the classes so, or {remedy}."
    )
    logger.warning("%s", in_words_of_the_caller(words))
