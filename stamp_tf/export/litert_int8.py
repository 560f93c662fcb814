"""A `.tflite` file of 8-bit integers throughout, calibrated by TensorFlow on images of the training set."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.export.litert_file import write_litert


def export_litert_int8(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    images: np.ndarray,
    input_name: str = "image",
) -> Path:
    """Write a `.tflite` file that computes in int8: `image` uint8 `[batch, H, W, D]` to float32 `probabilities`.

    uint8 goes in, because that is what a camera or a decoded picture gives: its scale is 1 and its zero point 0, so
    that pixels are passed as they are. float32 comes out, because a probability is what people read; it is a
    multiple of 1/256, turned into float32 by the last step. All between is int8, weights with a scale per output
    channel, biases int32.

    Args:
        model: From normalised images [B, H, W, D] to logits, or to what your own model ended in.
        path: The file to write; it ends in `.tflite`.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        images: uint8 `[n, H, W, D]`, n >= 1, like those that the network will see; the ranges of all that flows
            through it are taken from them. 100 are enough.
        input_name: Of the input.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, LiteRT lacks an operation, or the file cannot be written.

    Source:
        Jacob et al. 2018; per-channel weights, Krishnamoorthi 2018.
    """
    shape = tuple(model.inputs[0].shape[1:])
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) == 0:
        raise StampError(
            f"`images` must be uint8 of shape [n >= 1, {', '.join(map(str, shape))}], but are {images.dtype} of shape "
            f"{list(images.shape)}; give training images of the network's size."
        )

    def one_by_one() -> Iterator[list[np.ndarray]]:
        for place, image in enumerate(images):
            image = image[None].astype(np.float32)
            if place == 0:
                # All of the range occurs, or a brighter pixel than any of these could not be told.
                image[0, 0, 0], image[0, -1, -1] = 0.0, 255.0
            yield [image]

    return write_litert(
        model,
        path,
        class_names=class_names,
        normalization=normalization,
        input_name=input_name,
        format_name="litert-int8",
        input_dtype="uint8",
        optimizations=[tf.lite.Optimize.DEFAULT],
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        representative_dataset=one_by_one,
        inference_input_type=tf.uint8,
        inference_output_type=tf.float32,
    )
