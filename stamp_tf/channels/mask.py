"""Mask channels by scaling the kernels that read them (omega = m (x) W)."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from stamp_tf.channels.groups import KEPT, ChannelMap
from stamp_tf.tensor import Tensor


def mask_kernels(
    channel_map: ChannelMap, paths: Sequence[str], *, weights: Sequence[Tensor], mask: Tensor
) -> list[Tensor]:
    """Multiply every consuming kernel's input slices by their channels' mask.

    Because a mask belongs to a data set and not to an example, this equals masking the activations, and costs
    as much as touching the weights once. It is differentiable in weights and mask.

    Args:
        channel_map: The traced channels.
        paths: Keras path of each weight.
        weights: The weights' values, in the order of `paths`.
        mask: Keep value per channel, `[num_channels]`, usually in [0, 1].

    Returns:
        The weights, masked where a kernel reads channels, in the same order.

    Source:
        Song et al. 2020, Eq. 3.
    """
    position = {path: index for index, path in enumerate(paths)}
    masked = list(weights)
    for axis in channel_map.weight_axes:
        if axis.role != "consumer" or axis.path not in position:
            continue
        weight = masked[position[axis.path]]
        values = ops.cast(_values_along(mask, axis.channels), weight.dtype)
        shape = [1] * len(weight.shape)
        shape[axis.axis] = -1
        masked[position[axis.path]] = weight * ops.reshape(values, shape)
    return masked


def _values_along(mask: Tensor, channels: np.ndarray) -> Tensor:
    """Return the mask value of each slice; plain slices where possible, since gathers have slow gradients."""
    first, size = int(channels[0]), len(channels)
    if first != KEPT and np.array_equal(channels, np.arange(first, first + size)):
        return mask[first : first + size]
    return ops.take(ops.concatenate([mask, ops.ones((1,), mask.dtype)]), channels % (mask.shape[0] + 1))
