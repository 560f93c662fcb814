"""Slice a model's kernels to its kept channels: a new, plain Keras model."""

import keras
from numpy.typing import ArrayLike

from stamp_tf.channel_mask import ChannelMask, as_mask
from stamp_tf.channels.check import check_sliced
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.slicer import Slicer


def slice_model(
    model: keras.Model, channel_map: ChannelMap, mask: ArrayLike | ChannelMask, *, check: bool = False
) -> keras.Model:
    """Build the smaller network that a mask leaves.

    Surviving input slices of a kernel are multiplied by their mask, so that soft values are folded into the
    weights; a 0/1 mask leaves them as they are.

    Args:
        model: The traced functional model; it is not changed.
        channel_map: Its channels.
        mask: Keep value per channel, `[num_channels]`; a channel goes where it is 0.
        check: Compare the smaller network with the full one on a few random inputs, see `check_sliced`. It takes
            about three passes over one of them.

    Returns:
        A model of the same layers with fewer channels, and no layer of this library in it.

    Raises:
        StampError: If the mask has another length, values out of [0, 1], or empties a group; if a layer that loses
            channels cannot be rebuilt; or if the check finds a difference.
    """
    keep = as_mask(mask, channel_map.num_channels, groups=channel_map.groups)
    slicer = Slicer(model, channel_map, keep)
    if check:
        check_sliced(slicer, model, channel_map=channel_map, mask=keep)
    return slicer.sliced
