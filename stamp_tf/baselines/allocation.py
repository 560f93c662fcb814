"""How a criterion's values are shared out over the groups: the same fraction of each, or one cut over all."""

from typing import Literal

import numpy as np

from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.channels import ChannelMap


def allocate(
    channel_map: ChannelMap, values: np.ndarray, *, allocation: Literal["uniform", "global"]
) -> np.ndarray:
    """Return scores for one cut over all groups.

    Args:
        channel_map: The traced channels.
        values: Of the criterion, `[C]`, 0 or more; higher stays longer.
        allocation: `uniform` takes the same fraction of every group, `global` compares values across groups, each
            divided by the mean of its group.

    Returns:
        Scores `[C]`.
    """
    return (global_scores if allocation == "global" else uniform_scores)(channel_map, values)


def global_scores(channel_map: ChannelMap, values: np.ndarray) -> np.ndarray:
    """Divide values by the mean of their group, which makes those of different layers comparable.

    Args:
        channel_map: The traced channels.
        values: `[C]`, 0 or more.

    Returns:
        Scores of mean 1 in every group, `[C]`; 0 throughout a group whose values all are.

    Source:
        Fang et al. 2023, DepGraph: Towards Any Structural Pruning (its global pruning with mean normalisation).
    """
    means = np.array([values[group.slice].mean() for group in channel_map.groups])
    return values / np.where(means > 0, means, 1.0)[channel_map.group_of]
