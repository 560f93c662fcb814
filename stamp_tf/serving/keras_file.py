"""Read a `.keras` file by Keras, in safe mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.export.card import read_card
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.runtime import checked_size
from stamp_tf.storage.records import check
from stamp_tf.storage.schemas import Contract


def read_keras(path: Path) -> Exported | None:
    """Return the network of a file that `export_keras` wrote; None where no `.keras` file lies.

    Keras, which takes seconds to import, is asked for the network with the first answer, so that pictures can be
    decoded meanwhile.

    Args:
        path: The file.

    Raises:
        StampError: If it is somebody else's. With the first answer: if it is damaged, or Keras does not know its
            layers.
    """
    if path.suffix != ".keras" or not path.is_file():
        return None
    card = read_card(path)
    # Files of before the scaling was a layer take normalised images.
    normalization = (
        None if "scaling_layer" in card else Normalization(tuple(card["mean"]), tuple(card["std"]))
    )
    # Nor did they say their size.
    said = (
        check(card["contract"], Contract, source=path, remedy="prune again").input
        if "contract" in card
        else None
    )

    @cache
    def load() -> Callable[[np.ndarray], np.ndarray]:
        from stamp_tf.finite import require_finite, weight_values
        from stamp_tf.references.network_file import load_network_file
        from stamp_tf.serving.answering import answering

        model = load_network_file(path)
        require_finite(
            weight_values(model), subject=f"Weights of {path}", remedy="prune again, or take another file"
        )
        if said is not None:
            checked_size(model.inputs[0].shape[1:], said, source=path)
        return answering(model, normalization)

    return Exported(
        path=path,
        format="keras",
        image_shape=_image_shape(path) if said is None else said.image_shape,
        class_names=tuple(card["class_names"]),
        answer=lambda images: load()(images),
        load=load,
    )


def _image_shape(path: Path) -> tuple[int, int, int]:
    from stamp_tf.references.network_file import load_network_file

    height, width, depth = load_network_file(path).inputs[0].shape[1:]
    return height, width, depth
