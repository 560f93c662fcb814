"""Accuracy and statistics of a network on a data set."""

from __future__ import annotations

import keras
import numpy as np

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet
from stamp_tf.errors import StampError

_BATCH_SIZE = 500


def evaluate_accuracy(
    model: keras.Model, images: ImageSet | StreamedSet, *, normalization: Normalization
) -> float:
    """Return the fraction of images that a network classifies rightly.

    Args:
        model: From images `[B, H, W, D]` to logits, or to what stands behind them; of one output for two classes
            both sides of even odds.
        images: The test images.
        normalization: That of the images the network was trained on.

    Raises:
        StampError: If logits are not finite: the largest of them says nothing, and must not count as right.
    """
    if model.output_shape[-1] == 1:
        # Even odds are a logit of 0, but a sigmoid of one half.
        model, _ = split_end(model)
    batches = Batches(images, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    hits = num_bad = 0
    for x, y in batches.epoch(0):
        logits = np.asarray(model.predict_on_batch(x))
        hits += int((_classes(logits) == y).sum())
        num_bad += int((~np.isfinite(logits).all(axis=-1)).sum())
    if num_bad:
        raise StampError(
            f"A network must give finite logits, but {model.name} gives NaN or infinity for {num_bad} of "
            f"{len(images)} test images; use weights from before its training diverged, or another network."
        )
    return hits / len(images)


def _classes(logits: np.ndarray) -> np.ndarray:
    return logits[:, 0] > 0 if logits.shape[-1] == 1 else np.argmax(logits, axis=-1)
