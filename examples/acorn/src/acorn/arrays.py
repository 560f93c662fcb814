"""The weights as plain NumPy arrays, for readers without Keras."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.export.contract import check_exportable
from stamp_tf.export.plain import plain_copy
from stamp_tf.export.staging import staged


def export_arrays(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write one .npz with an array per weight, and a `card` in JSON.

    Args:
        model: A functional model from normalised images [B, H, W, D] to logits [B, classes], or to what a user's own
            model ended in.
        path: The file to write.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Written to the card.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit or the file cannot be written.
    """
    check_exportable(model, class_names=class_names, normalization=normalization)
    model = plain_copy(model)
    card = {
        "class_names": list(class_names),
        "input_name": input_name,
        "mean": list(normalization.mean),
        "std": list(normalization.std),
        "network": model.to_json(),
    }
    arrays = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    # An open file, because NumPy adds an ending to a name that has another.
    with staged(Path(path)) as temporary, open(temporary, "wb") as file:
        np.savez(file, card=json.dumps(card), **arrays)
    return Path(path)
