"""A `.tflite` file in float32, for LiteRT on phones and small computers."""

from collections.abc import Sequence
from pathlib import Path

import keras

from stamp_tf.data import Normalization
from stamp_tf.export.litert_file import write_litert


def export_litert(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write a `.tflite` file: `image` float32 `[batch, H, W, D]`, pixels 0 to 255, to `probabilities`.

    Args:
        model: From normalised images [B, H, W, D] to logits, or to what your own model ended in.
        path: The file to write; it ends in `.tflite`.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Of the input.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, LiteRT lacks an operation, or the file cannot be written.
    """
    return write_litert(
        model,
        path,
        class_names=class_names,
        normalization=normalization,
        input_name=input_name,
        format_name="litert",
    )
