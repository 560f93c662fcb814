"""A mask generator with one factor per group of channels."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.layers.mask_generator import MaskGenerator, relaxed_bernoulli


@keras.saving.register_keras_serializable(package="acorn")
class GroupFactors(MaskGenerator):
    """scores = base + factor of the group * mean over r of the standardised pooled probe.

    Args:
        group_sizes: Number of channels of each layer's group.
        start: First value of every factor.
    """

    def __init__(self, group_sizes: Sequence[int], *, start: float = 0.05, **kwargs: Any) -> None:
        super().__init__(group_sizes, **kwargs)
        self.start = start

    def build(self, pooled_shape: tuple[int, int]) -> None:
        self.base_scores = self.add_weight(
            shape=(self.num_channels,), initializer="zeros", name="base_scores"
        )
        self.factors = self.add_weight(
            shape=(len(self.group_sizes),),
            initializer=keras.initializers.Constant(self.start),
            name="factors",
        )

    def start_from(self, scores: np.ndarray) -> None:
        self.base_scores.assign(scores)

    def shift_scores(self, amount: float) -> None:
        self.base_scores.assign_add(np.full(self.num_channels, amount))

    def call(self, pooled: Any, uniform: Any) -> tuple[Any, Any, Any]:
        group_of = np.repeat(np.arange(len(self.group_sizes)), self.group_sizes)
        excitation = ops.mean(self.standardized(pooled), axis=0)
        scores = self.base_scores + ops.take(self.factors, group_of) * excitation
        return scores, relaxed_bernoulli(scores, uniform[0]), ops.zeros((), scores.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"start": self.start}
