"""Accuracy and statistics of a network on a data set."""

from __future__ import annotations

import keras
import numpy as np

from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet

_BATCH_SIZE = 500


def evaluate_accuracy(
    model: keras.Model, images: ImageSet | StreamedSet, *, normalization: Normalization
) -> float:
    """Return the fraction of images that a network of logits classifies rightly.

    Args:
        model: From images `[B, H, W, D]` to logits.
        images: The test images.
        normalization: That of the images the network was trained on.
    """
    batches = Batches(images, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    hits = 0
    for x, y in batches.epoch(0):
        hits += int((np.argmax(model.predict_on_batch(x), axis=-1) == y).sum())
    return hits / len(images)
