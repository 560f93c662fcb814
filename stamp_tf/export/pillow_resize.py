"""Resize within a TensorFlow graph as the data of a run are resized by Pillow."""

from __future__ import annotations

import tensorflow as tf


def resize_as_pillow(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Return images of another size, bilinear; where they shrink, over the area that a new pixel covers.

    Rows and columns are weighted sums, so that it takes nothing but products of matrices, which every runtime has.
    Where an axis keeps its size nothing changes; where it does not, values are rounded to whole numbers as in images of
    8 bits. They agree with Pillow's to within two grey levels: the order of axes and the rounding of halves may differ.

    Args:
        images: float32 `[B, h, w, D]` in [0, 255], of any size.
        height: H, wanted.
        width: W, wanted.

    Returns:
        float32 `[B, H, W, D]`.
    """
    depth = images.shape[-1]
    sizes = tf.shape(images)
    rows, columns = sizes[1], sizes[2]
    across = tf.matmul(_weights(columns, width)[None, None], images)
    across = _rounded(across, columns != width)
    down = tf.matmul(_weights(rows, height)[None], tf.reshape(across, (sizes[0], rows, width * depth)))
    down = _rounded(down, rows != height)
    return tf.reshape(down, (sizes[0], height, width, depth))


def _weights(size: tf.Tensor, wanted: int) -> tf.Tensor:
    """Return how much each old place counts for each new one, `[wanted, size]`; rows add up to 1."""
    old = tf.cast(size, tf.float32)
    scale = old / wanted
    centres = (tf.range(wanted, dtype=tf.float32) + 0.5) * scale
    distances = tf.abs(tf.range(old) + 0.5 - centres[:, None])
    weights = tf.nn.relu(1 - distances / tf.maximum(scale, 1))
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _rounded(values: tf.Tensor, is_resized: tf.Tensor) -> tf.Tensor:
    return tf.where(is_resized, tf.floor(values + 0.5), values)
