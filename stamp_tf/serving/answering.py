"""What answers pixels by a Keras model."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Normalization
from stamp_tf.losses import class_probabilities


def answering(model: keras.Model, normalization: Normalization | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return what answers pixels by a Keras model: from uint8 `[B, H, W, D]` to probabilities `[B, classes]`.

    Args:
        model: From images `[B, H, W, D]` to logits, or to what stands behind them.
        normalization: Of the images that it takes; None where it takes pixels in [0, 255].
    """
    logits, end = split_end(model)

    def answer(images: np.ndarray) -> np.ndarray:
        given = images.astype(np.float32) if normalization is None else normalization(images)
        found = keras.ops.convert_to_tensor(logits.predict_on_batch(given))
        return keras.ops.convert_to_numpy(class_probabilities(found, end))

    return answer
