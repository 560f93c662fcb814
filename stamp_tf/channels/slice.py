"""Slice a model's kernels to its kept channels: a new, plain Keras model."""

import keras
import numpy as np

from stamp_tf.channels.check import check_sliced
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.slicer import Slicer
from stamp_tf.errors import StampError


def slice_model(
    model: keras.Model, channel_map: ChannelMap, mask: np.ndarray, *, check: bool = False
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
        StampError: If the mask has another length, or empties a group; if a layer that loses channels cannot be
            rebuilt; or if the check finds a difference.
    """
    mask = np.asarray(mask, "float64")
    if mask.shape != (channel_map.num_channels,):
        raise StampError(
            f"A mask must have one value per channel ({channel_map.num_channels}), but has shape {mask.shape}."
        )
    for group in channel_map.groups:
        if not mask[group.slice].any():
            raise StampError(
                f"A mask must keep at least one channel of every layer, but empties {group.name}."
            )
    slicer = Slicer(model, channel_map, mask)
    if check:
        check_sliced(slicer, model, channel_map, mask)
    return slicer.sliced
