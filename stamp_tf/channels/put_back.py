"""The way back from a sliced network: what it learnt, in its place in the full one."""

import keras
import numpy as np
from keras import ops

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.groups import ChannelMap


def put_back(small: keras.Model, model: keras.Model, channel_map: ChannelMap, *, mask: ChannelMask) -> None:
    """Give a full network the weights of one that was sliced from it, and zeros where channels are gone.

    Sliced by the same mask again, or by one that keeps fewer channels, it gives what the smaller network would.

    Args:
        small: What `slice_model` made of it by this mask, trained since.
        model: The full network; it is changed.
        channel_map: Its channels.
        mask: Which of them `small` has, `[C]`.
    """
    kept: dict[str, dict[int, np.ndarray]] = {}
    for axis in channel_map.weight_axes:
        kept.setdefault(axis.path, {})[axis.axis] = axis.kept_slices(mask)
    for weight, trained in zip(model.weights, small.weights, strict=True):
        slices = kept.get(weight.path)
        value = ops.convert_to_numpy(trained)
        if slices:
            everything = (slices.get(axis, np.arange(size)) for axis, size in enumerate(weight.shape))
            full = np.zeros(tuple(weight.shape), value.dtype)
            full[np.ix_(*everything)] = value
            value = full
        weight.assign(value)
