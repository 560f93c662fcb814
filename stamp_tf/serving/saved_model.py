"""Read a SavedModel by TensorFlow alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stamp_tf.errors import StampError
from stamp_tf.export.calling import read_calling
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.runtime import opening


def read_saved_model(path: Path) -> Exported | None:
    """Return the network of a SavedModel that `export_saved_model` wrote; None where none lies.

    Args:
        path: Its folder.

    Raises:
        StampError: If it is damaged or somebody else's.
    """
    if not (path / "saved_model.pb").is_file():
        return None
    contract = path / "assets.extra" / "contract.json"
    if not contract.is_file():
        raise StampError(
            f"{path} must be a SavedModel written by stamp-tf, but has no assets.extra/{contract.name}; export it anew."
        )
    calling = read_calling(contract.read_bytes(), source=contract)
    import tensorflow as tf

    with opening(path, by="TensorFlow"):
        network = tf.saved_model.load(str(path))

    def answer(images: np.ndarray) -> np.ndarray:
        # Looked up at each call, because a function does not keep its network's variables alive. Exports of before
        # this one resize in any case.
        return getattr(network, "of_own_size", network)(tf.constant(images))["probabilities"].numpy()

    return Exported(
        path=path,
        format="saved-model",
        image_shape=calling.image_shape,
        class_names=calling.class_names,
        answer=answer,
    )
