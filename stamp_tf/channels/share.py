"""How much of a network lies where channels can be removed."""

import math

import keras

from stamp_tf.channels.groups import ChannelMap


def prunable_share(model: keras.Model, channel_map: ChannelMap) -> float:
    """Return the share of the kernels' parameters that lies in kernels from which slices can be removed.

    A kernel counts in full if at least one of its axes carries a channel of a group. Biases, normalisations and
    embeddings do not count, for they go along; kernels of attention and of recurrent layers do.

    Args:
        model: The traced model.
        channel_map: Its channels.

    Returns:
        A number in [0, 1]; 0 for a model without kernels.
    """
    removable = {axis.path for axis in channel_map.weight_axes}
    # By identity: a layer that is called in several models is one.
    kernels = {id(weight): weight for weight in model.weights if weight.path.endswith("kernel")}.values()
    total = sum(math.prod(weight.shape) for weight in kernels)
    return sum(math.prod(weight.shape) for weight in kernels if weight.path in removable) / max(1, total)
