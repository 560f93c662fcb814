"""A mask generator that shifts the reference's learnt scores by what the set excites."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.layers.mask_generator import MaskGenerator, relaxed_bernoulli
from stamp_tf.tensor import Tensor


@keras.saving.register_keras_serializable(package="stamp_tf")
class ScoreGenerator(MaskGenerator):
    """scores = base + gamma * mean over r + delta * spread over r, of the standardised pooled probe.

    Adding in logit space keeps a learnt ranking apart where products of probabilities near 1 would flatten it.
    It has no prior: a budget closes the channels.

    Args:
        group_sizes: Number of channels of each layer's group.
        gamma: First value of the factor on the pooled probe.

    Example:
        >>> generator = ScoreGenerator([4, 8])
        >>> scores, sample, _ = generator(np.random.rand(1, 12), np.random.rand(2, 12))
        >>> scores.shape
        TensorShape([12])
    """

    def __init__(self, group_sizes: Sequence[int], *, gamma: float = 0.05, **kwargs: Any) -> None:
        super().__init__(group_sizes, **kwargs)
        self.gamma = gamma

    def build(self, pooled_shape: tuple[int, int]) -> None:
        self.base_scores = self.add_weight(
            shape=(self.num_channels,), initializer="zeros", name="base_scores"
        )
        self.mean_factors = self.add_weight(
            shape=(self.num_channels,),
            initializer=keras.initializers.Constant(self.gamma),
            name="mean_factors",
        )
        self.spread_factors = None
        if pooled_shape[0] and pooled_shape[0] > 1:
            self.spread_factors = self.add_weight(
                shape=(self.num_channels,), initializer="zeros", name="spread_factors"
            )

    def start_from(self, scores: np.ndarray) -> None:
        self.base_scores.assign(scores)

    def shift_scores(self, amount: float) -> None:
        self.base_scores.assign_add(np.full(self.num_channels, amount))

    def call(self, pooled: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        excitation = self.standardized(pooled)
        scores = self.base_scores + self.mean_factors * ops.mean(excitation, axis=0)
        if self.spread_factors is not None:
            # Where the outputs agree, the root alone would have no gradient.
            spread = ops.sqrt(ops.var(excitation, axis=0) + 1e-6)
            scores = scores + self.spread_factors * spread
        return scores, relaxed_bernoulli(scores, uniform[0]), ops.zeros((), scores.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"gamma": self.gamma}
