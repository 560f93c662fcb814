"""Read a `.keras` file by Keras, in safe mode."""

from __future__ import annotations

from pathlib import Path

from stamp_tf.data import Normalization
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
    # Keras takes seconds to import, and every reader is asked about every file.
    from stamp_tf.export.keras_file import read_card
    from stamp_tf.finite import require_finite, weight_values
    from stamp_tf.references.network_file import load_network_file
    from stamp_tf.serving.answering import answering

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
