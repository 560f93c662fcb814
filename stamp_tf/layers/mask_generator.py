"""The contract of a mask generator: what the set representation excites -> scores and masks."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import ChannelMap
from stamp_tf.channels.probe import Probe
from stamp_tf.errors import StampError
from stamp_tf.tensor import Tensor


class MaskGenerator(keras.layers.Layer):
    """Turns pooled probe activations into scores, a sampled mask and its prior's cost.

    `call(pooled, uniform)` returns three tensors: scores `[C]`, the logits of the expected mask, so that
    `sigmoid(scores)` is E[m] and a budget can rank by them; a differentiable sample of the mask `[C]` in
    [0, 1]; and the KL divergence from the prior, a scalar. `pooled` is `[r, C]`, the spatial mean of each
    channel's activation for each of r pseudo-images; `uniform` is `[2, C]`, random numbers in (0, 1).

    Args:
        group_sizes: Number of channels of each layer's group; they add up to C.
    """

    has_prior = False
    """Whether the KL divergence closes channels by itself (`sparsity="kl"`)."""

    threshold = 0.5
    """Channels of a smaller E[m] go where no budget is given."""

    def __init__(self, group_sizes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not group_sizes or min(group_sizes) < 1:
            raise StampError(
                f"group_sizes must be positive channel counts, but got {group_sizes}; trace a model."
            )
        self.group_sizes = [int(size) for size in group_sizes]
        self.num_channels = sum(self.group_sizes)

    def make_probe(self, model: keras.Model, channel_map: ChannelMap) -> Probe:
        """Return what looks at the network for this generator: its calls give `pooled`, a row per pseudo-image or not.

        Args:
            model: The traced network.
            channel_map: Its channels.
        """
        return Probe(model, channel_map)

    def start_from(self, scores: np.ndarray) -> None:
        """Make the generator's first scores follow learnt scores `[C]` of the reference network."""
        raise NotImplementedError

    def shift_scores(self, amount: float) -> None:
        """Add a constant to all scores, where only their differences are learnt; else nothing."""

    def standardized(self, pooled: Tensor) -> Tensor:
        """Return `pooled` `[r, C]` with zero mean and unit deviation over each group's channels.

        Layers differ in scale by orders of magnitude; without this one rate would not fit them all.
        """
        parts, start = [], 0
        for size in self.group_sizes:
            part = pooled[:, start : start + size]
            mean = ops.mean(part, axis=1, keepdims=True)
            variance = ops.mean(ops.square(part - mean), axis=1, keepdims=True)
            parts.append((part - mean) / ops.sqrt(variance + 1e-6))
            start += size
        return ops.concatenate(parts, axis=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"group_sizes": self.group_sizes}


def relaxed_bernoulli(logits: Tensor, uniform: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Sample a binary concrete mask.

    Args:
        logits: Of the keep probabilities, `[C]`.
        uniform: Numbers in (0, 1), `[C]`.
        temperature: Towards 0 the samples become 0 or 1.

    Source:
        Maddison et al. 2017.
    """
    uniform = ops.clip(uniform, 1e-6, 1 - 1e-6)
    return ops.sigmoid((ops.log(uniform) - ops.log(1 - uniform) + logits) / temperature)
