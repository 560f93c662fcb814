"""What the exported network is called on, made a batch of float32 images within a TensorFlow graph, or refused."""

from __future__ import annotations

import tensorflow as tf

from stamp_tf.export.pillow_resize import of_depth

_MAX_PIXEL = 255.0
# Half a grey level, for what rounding leaves.
_SLACK = 0.5

NUMBERS = (
    *(tf.uint8, tf.float32, tf.float64, tf.int32, tf.int64),
    *(tf.float16, tf.bfloat16, tf.int8, tf.int16, tf.uint16, tf.uint32, tf.uint64),
)
"""What pixels may be of; the usual ones first, because lists are taken for the first that fits."""

NO_NUMBERS = (tf.bool, tf.string, tf.complex64, tf.complex128)
"""What is no pixel, which is better said than left to TensorFlow."""


def as_numbers(image: tf.Tensor, depth: int) -> tf.Tensor:
    """Return what was given as float32, of the same shape; refuse what is no number.

    Args:
        image: Of any type and rank.
        depth: That the network takes.
    """
    if image.dtype not in NO_NUMBERS:
        return tf.cast(image, tf.float32)
    refusal = tf.raw_ops.Assert(
        condition=False,
        data=[f"image must hold pixels 0 to 255, uint8 or float32, but is {image.dtype.name}; convert it."],
    )
    with tf.control_dependencies([refusal]):
        return tf.zeros((0, 1, 1, depth))


def as_batch(image: tf.Tensor, depth: int) -> tf.Tensor:
    """Return images `[B, h, w, 1 or 3]` of one image `[h, w, 1 or 3]` or several; refuse everything else.

    Args:
        image: float32 of any rank.
        depth: That the network takes; for one that is neither grey nor coloured, the images have it.
    """
    depths = _depths(depth)
    shape, rank = tf.shape(image), tf.rank(image)
    height, width, last = tf.unstack(tf.concat([[1, 1, 1], shape], axis=0)[-3:], num=3)
    is_right = tf.reduce_any(tf.equal(rank, (3, 4))) & tf.reduce_any(tf.equal(last, depths))
    wanted = f"[batch, height, width, {' or '.join(map(str, depths))}], or one image without the batch"
    refusal = tf.raw_ops.Assert(
        condition=is_right, data=[f"image must be {wanted}, but has the shape", shape], summarize=9
    )
    with tf.control_dependencies([refusal]):
        number = tf.size(image) // tf.maximum(height * width * last, 1)
        return tf.reshape(image, (number, height, width, last))


def in_depth(images: tf.Tensor, depth: int) -> tf.Tensor:
    """Return images in the depth that a network takes, `[B, h, w, D]`.

    Args:
        images: float32 `[B, h, w, 1 or 3]`.
        depth: D.
    """

    def certainly(depth: int) -> tf.Tensor:
        return tf.ensure_shape(images, (None, None, None, depth))

    if len(_depths(depth)) == 1 or images.shape[3] == depth:
        return certainly(depth)
    return tf.cond(
        tf.equal(tf.shape(images)[3], depth),
        lambda: certainly(depth),
        lambda: of_depth(certainly(4 - depth), depth),
    )


def _depths(depth: int) -> tuple[int, ...]:
    return (1, 3) if depth in (1, 3) else (depth,)


def refusal_of_nothing(image: tf.Tensor) -> tf.Operation:
    """Return an operation that fails where images have no pixels."""
    return tf.raw_ops.Assert(
        condition=tf.reduce_all(tf.shape(image)[1:] > 0),
        data=["image must have a height and a width of 1 or more, but has the shape", tf.shape(image)],
    )


def refusal_of_other_scales(image: tf.Tensor) -> tf.Operation:
    """Return an operation that fails where values cannot be pixels in [0, 255].

    A black image is one, and so is one of zeros and ones; fractions up to 1 throughout a batch are pixels in [0, 1].
    """
    is_within = tf.reduce_all((image >= -_SLACK) & (image <= _MAX_PIXEL + _SLACK))
    is_small = tf.reduce_all(image <= 1) & tf.reduce_any(image != tf.floor(image))
    return tf.raw_ops.Assert(
        condition=is_within & ~is_small,
        data=[
            "image must hold pixels in [0, 255], but holds other values, or fractions up to 1 only; multiply pixels "
            "in [0, 1] by 255, give those of images as they are, or give uint8. Smallest and largest:",
            tf.reduce_min(image),
            tf.reduce_max(image),
        ],
    )
