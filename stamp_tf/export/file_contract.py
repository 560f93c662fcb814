"""The one contract of the files that other runtimes read: an image of pixels in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Normalization
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.export.contract import check_exportable
from stamp_tf.export.marks import INPUT, OUTPUT
from stamp_tf.export.scaling import with_scaling
from stamp_tf.losses import class_probabilities


def pixels_to_probabilities(
    model: keras.Model,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    format_name: str,
    input_name: str = INPUT,
) -> tuple[keras.Model, dict[str, Any]]:
    """Return the network that a file holds, and what the file says of itself.

    Args:
        model: From normalised images [B, H, W, D] to logits [B, classes], or to what your own model ended in; it is
            not changed.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        format_name: What the exporter is called.
        input_name: Of the input.

    Returns:
        A network from float32 `[B, H, W, D]`, pixels in [0, 255], to a dictionary of the one float32
        `[B, classes]`; and the contract as JSON content, classes among it.

    Raises:
        StampError: If the parts do not fit.
    """
    shape = check_exportable(model, class_names=class_names, normalization=normalization)
    logits, end = split_end(model)
    scaled, _ = with_scaling(logits, normalization, input_name=input_name)
    # Under a name that no input takes, whatever the user called it.
    scaled = keras.Model(scaled.inputs, scaled.outputs[0], name=f"network_of_{input_name}")
    image = keras.Input(shape, dtype="float32", name=input_name)
    network = keras.Model(
        image, {OUTPUT: class_probabilities(scaled(image), end)}, name=f"{INPUT}_classifier"
    )
    return network, {
        "format": format_name,
        **_contract(shape, class_names=class_names, end=end, input_name=input_name),
    }


def check_file(path: Path, *, ending: str) -> None:
    """Refuse a place that a file of a format cannot take.

    Args:
        path: Where an exporter is to write.
        ending: That its name needs.

    Raises:
        StampError: If the ending is another, or a folder lies there.
    """
    if path.suffix != ending:
        raise StampError(f"`export:path` must end in '{ending}', but is '{path}'; add the ending.")
    if path.is_dir():
        raise StampError(f"`export:path` must be a file, but {path} is a folder; choose another.")


def _contract(
    shape: tuple[int, int, int], *, class_names: Sequence[str], end: End, input_name: str
) -> dict[str, Any]:
    return {
        "input": {
            "name": input_name,
            "dtype": "float32",
            "shape": ["batch", "height", "width", shape[-1]],
            "size": list(shape[:2]),
            "pixels": [0, 255],
        },
        "output": {
            "name": OUTPUT,
            "dtype": "float32",
            "shape": ["batch", len(class_names)],
            "adds_up_to_1": not end.is_per_class,
        },
        "classes": list(class_names),
        "end": end.to_config(),
    }
