"""One value per channel from the kernel slices that make it."""

from collections.abc import Callable, Mapping

import numpy as np

from stamp_tf.channels import ChannelMap
from stamp_tf.channels.groups import KEPT


def sum_over_filters(
    channel_map: ChannelMap, weights: Mapping[str, np.ndarray], criterion: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Add up a criterion over all kernel slices that make a channel, its filters.

    A channel has several where an addition ties layers, and where it owns several slices of one axis. Biases,
    kernels that only treat a channel on its own (a depthwise one) and kernels that read it do not count.

    Args:
        channel_map: The traced channels.
        weights: Value per weight path; of those that are missing nothing is added.
        criterion: From one filter per row, `[n, numbers of a filter]`, to a value of each, `[n]`.

    Returns:
        float64 `[C]`.
    """
    totals = np.zeros(channel_map.num_channels)
    for axis in channel_map.weight_axes:
        weight = weights.get(axis.path)
        if axis.role != "producer" or weight is None or weight.ndim == 1:
            continue
        filters = np.moveaxis(weight, axis.axis, 0).reshape(weight.shape[axis.axis], -1)
        removable = axis.channels != KEPT
        np.add.at(totals, axis.channels[removable], criterion(filters[removable]))
    return totals
