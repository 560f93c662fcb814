"""Resize and convert within a TensorFlow graph as the data of a run are resized by Pillow."""

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


def of_depth(images: tf.Tensor, depth: int) -> tf.Tensor:
    """Return grey images as coloured ones, or the other way round, as Pillow converts them.

    Args:
        images: float32 `[B, h, w, 1]` or `[B, h, w, 3]` in [0, 255].
        depth: D, wanted, 1 or 3.

    Returns:
        float32 `[B, h, w, D]`.
    """
    if images.shape[-1] == depth:
        return images
    if depth == 3:
        return tf.repeat(images, 3, axis=-1)
    # ITU-R 601 in whole numbers of 2 ** -16, below 2 ** 24 and so without rounding.
    luma = tf.reduce_sum(images * tf.constant([19595.0, 38470.0, 7471.0]), axis=-1, keepdims=True)
    return tf.floor((luma + 32768.0) / 65536.0)


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
