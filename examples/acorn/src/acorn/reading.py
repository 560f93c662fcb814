"""Bring back what `export_arrays` wrote."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.serving.answering import answering
from stamp_tf.serving.exported import Exported


def read_arrays(path: Path) -> Exported | None:
    """Return the network of an .npz file; None where no such file lies.

    Args:
        path: The file.

    Raises:
        StampError: If it is damaged or somebody else's.
    """
    if path.suffix != ".npz" or not path.is_file():
        return None
    try:
        # An open file, because NumPy leaves one that it opened and cannot read to itself.
        with open(path, "rb") as file, np.load(file) as arrays:
            card = json.loads(str(arrays["card"]))
            model = keras.models.model_from_json(card["network"])
            model.set_weights([arrays[weight.path] for weight in model.weights])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StampError(f"{path} must be arrays that acorn wrote, but is not; export it anew.") from error
    return Exported(
        path=path,
        format="arrays",
        image_shape=model.input_shape[1:],
        class_names=tuple(card["class_names"]),
        answer=answering(model, Normalization(tuple(card["mean"]), tuple(card["std"]))),
    )
