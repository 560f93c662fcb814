"""Scores whose one cut over all layers takes the same fraction of each."""

import numpy as np

from stamp_tf.channels import ChannelMap


def uniform_scores(channel_map: ChannelMap, values: np.ndarray) -> np.ndarray:
    """Replace values by their rank within each group, as a fraction of its size.

    Args:
        channel_map: The traced channels.
        values: `[C]`; higher stays longer.

    Returns:
        Scores in (0, 1], `[C]`: a channel of score q is better than a fraction q of its group, so that any
        threshold keeps the same fraction everywhere.
    """
    scores = np.empty(channel_map.num_channels)
    for group in channel_map.groups:
        order = np.argsort(np.argsort(values[group.slice], kind="stable"), kind="stable")
        scores[group.slice] = (order + 1) / group.size
    return scores
