"""Scores and budgets drawn at random, such that every rule of the cut has something to do."""

import numpy as np

from stamp_tf.channels import Budget, ChannelCut


def draw_scores(cut: ChannelCut, rng: np.random.Generator) -> np.ndarray:
    """Draw scores whose layers differ in level and spread, so that the floor of a layer matters."""
    sizes = cut.channel_map.group_sizes
    level, spread = (
        np.repeat(rng.normal(0, 2, len(sizes)), sizes),
        np.repeat(rng.uniform(0.1, 2, len(sizes)), sizes),
    )
    return level + spread * rng.normal(size=cut.num_channels)


def draw_budget(cut: ChannelCut, rng: np.random.Generator, kind: str) -> Budget:
    """Draw limits between the dearest floor and the full network."""
    low = max(
        cut.cost_model.exact_fractions(cut.channel_map.mask_of({g.name: [0] for g in cut.channel_map.groups}))
    )
    params, flops = np.exp(rng.uniform(np.log(low), 0, 2))
    return Budget(
        keep_params=params if kind != "flops" else None, max_flops=flops if kind != "parameters" else None
    )
