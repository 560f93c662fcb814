"""Read a `.keras` file by Keras, in safe mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Normalization
from stamp_tf.export.keras_file import read_card
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.losses import class_probabilities
from stamp_tf.references.network_file import load_network_file
from stamp_tf.serving.exported import Exported


def read_keras(path: Path) -> Exported | None:
    """Return the network of a file that `export_keras` wrote; None where no `.keras` file lies.

    Args:
        path: The file.

    Raises:
        StampError: If it is damaged or somebody else's, or Keras does not know its layers.
    """
    if path.suffix != ".keras" or not path.is_file():
        return None
    card = read_card(path)
    model = load_network_file(path)
    require_finite(
        weight_values(model), subject=f"Weights of {path}", remedy="prune again, or take another file"
    )
    # Files of before the scaling was a layer take normalised images.
    normalization = (
        None if "scaling_layer" in card else Normalization(tuple(card["mean"]), tuple(card["std"]))
    )
    height, width, depth = model.inputs[0].shape[1:]
    return Exported(
        path=path,
        format="keras",
        image_shape=(height, width, depth),
        class_names=tuple(card["class_names"]),
        answer=answering(model, normalization),
    )


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
