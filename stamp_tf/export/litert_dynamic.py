"""A `.tflite` file with weights of 8 bits, by TensorFlow: a quarter of the size, without images to calibrate by."""

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from stamp_tf.data import Normalization
from stamp_tf.export.litert_file import write_litert


def export_litert_dynamic(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write a `.tflite` file of dynamic range: weights are int8, what it takes and gives stays float32.

    The runtime quantises what flows into a layer as it comes, by its own range (Jacob et al. 2018 describe the
    arithmetic), or computes in float32. Layers with fewer than 1,024 weights stay float32, which is the
    converter's rule.

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
        format_name="litert-dynamic",
        optimizations=[tf.lite.Optimize.DEFAULT],
    )
