"""A network's last layer, fitted to its features of training images."""

from __future__ import annotations

import keras
import numpy as np

from stamp_tf.backbones.head import head_layer
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet, random_part
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.training.logistic_head import logistic_head
from stamp_tf.training.ridge_head import ridge_head

MAX_IMAGES = 10_000
_BATCH_SIZE = 500


def usual_head(end: End) -> str:
    """Return by which method a head is fitted where nobody says.

    Logistic regression has the lower error, but is written for classes that exclude each other alone.

    Args:
        end: What stands behind the logits.
    """
    return "ridge" if end.is_per_class else "logistic"


def fit_head(
    model: keras.Model,
    images: ImageSet | StreamedSet,
    *,
    normalization: Normalization,
    end: End = LOGITS,
    method: str | None = None,
) -> None:
    """Set a network's last layer to what tells the classes apart by its features.

    What a method leaves open, the scale of the logits among it, is chosen by images that are left out, so that
    fine-tuning starts from calibrated probabilities. The network takes no gradient step.

    Args:
        model: The network; its last dense layer is overwritten.
        images: The training images; of more than 10,000 a fixed random part is used.
        normalization: Of those images.
        end: What stands behind the logits.
        method: `logistic` or `ridge` regression; None is `usual_head`.

    Raises:
        StampError: If the network does not end in a dense layer, or its features are not finite.
    """
    layer = head_layer(model)
    part = random_part(images, MAX_IMAGES, seed=0)
    extractor = keras.Model(model.input, layer.input)
    batches = Batches(part, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    features = np.concatenate([extractor.predict_on_batch(x) for x, _ in batches.epoch(0)])
    if bad := int((~np.isfinite(features).all(axis=1)).sum()):
        raise StampError(
            f"A head needs finite features, but {model.name} gives NaN or infinity for {bad} of {len(features)} "
            "training images; use `head=random`, or weights from before training diverged."
        )
    num_classes = end.num_classes(layer.units)
    if (method or usual_head(end)) == "logistic":
        weights = logistic_head(features, part.labels, num_classes=num_classes, is_binary=end.is_binary)
    else:
        weights = ridge_head(features, part.labels, num_classes=num_classes, end=end)
    for variable, value in zip(layer.weights, weights, strict=False):
        variable.assign(value)
