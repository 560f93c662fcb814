"""How well each channel tells a set's classes apart, and a mask generator that reads nothing else."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.errors import StampError
from stamp_tf.layers.mask_generator import MaskGenerator, Tensor, relaxed_bernoulli

# Below this share of a channel's variance, differences between classes count as noise.
_SMALLEST_SHARE = 1e-3


@keras.saving.register_keras_serializable(package="stamp_tf")
class ClassSeparation(MaskGenerator):
    """scores = base + gain of the layer * (separation on the target - separation on the reference data set).

    The difference is standardised within each layer. Adding in logit space keeps the learnt order where the
    target's classes do not differ from what the order was learnt on. Only the gains are learnt: `base` comes from
    training at budgets, and a free number per channel would do a random walk under Adam on a few episodes. It
    has no prior: a budget closes the channels.

    Args:
        group_sizes: Number of channels of each layer's group.
        gain: First value of the factor on the difference, in units of the scores.

    Reference:
        Fisher 1936 (variance between classes / whole variance).

    Example:
        >>> generator = ClassSeparation([4, 8])
        >>> classes = np.eye(2, dtype="float32")[np.arange(20) % 2]
        >>> scores, sample, _ = generator(np.random.rand(20, 12), np.random.rand(2, 12), classes)
        >>> scores.shape
        TensorShape([12])
    """

    needs_classes = True

    def __init__(self, group_sizes: Sequence[int], *, gain: float = 0.2, **kwargs: Any) -> None:
        super().__init__(group_sizes, **kwargs)
        self.gain = gain

    def build(self, pooled_shape: tuple[int | None, int], *_: Any) -> None:
        self.base_scores = self.add_weight(
            shape=(self.num_channels,), initializer="zeros", trainable=False, name="base_scores"
        )
        self.gains = self.add_weight(
            shape=(len(self.group_sizes),), initializer=keras.initializers.Constant(self.gain), name="gains"
        )
        self.reference_separation = self.add_weight(
            shape=(self.num_channels,), initializer="zeros", trainable=False, name="reference_separation"
        )

    def start_from(self, scores: np.ndarray) -> None:
        self.base_scores.assign(scores)

    def learn_reference(self, pooled: Tensor, classes: Tensor) -> None:
        self.reference_separation.assign(class_separation(pooled, classes))

    def shift_scores(self, amount: float) -> None:
        self.base_scores.assign_add(np.full(self.num_channels, amount))

    def call(
        self, pooled: Tensor, uniform: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if classes is None:
            raise StampError(
                "classes must say which class each of the r vectors is of, but is missing; group the set by label."
            )
        difference = class_separation(pooled, classes) - self.reference_separation
        gains = ops.repeat(self.gains, np.array(self.group_sizes), axis=0)
        scores = self.base_scores + gains * self.standardized(difference[None])[0]
        return scores, relaxed_bernoulli(scores, uniform[0]), ops.zeros((), scores.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"gain": self.gain}


def class_separation(pooled: Tensor, classes: Tensor) -> Tensor:
    """Return log(variance between class means / whole variance) of each channel, `[C]`.

    Every class counts the same, however many vectors it has. A channel that never varies is told by none.

    Args:
        pooled: `[r, C]`.
        classes: 0/1, `[r, G]`: which class each vector is of. Classes without a vector do not count.
    """
    count = ops.sum(classes, axis=0)
    present = ops.cast(count > 0, pooled.dtype)
    num_present = ops.maximum(ops.sum(present), 1)
    shares = ops.transpose(ops.cast(classes, pooled.dtype) / ops.maximum(count, 1))
    means, squares = ops.matmul(shares, pooled), ops.matmul(shares, ops.square(pooled))
    mean = ops.matmul(present, means) / num_present
    whole = ops.matmul(present, squares) / num_present - ops.square(mean)
    between = ops.matmul(present, ops.square(means - mean)) / num_present
    return ops.log(between / (ops.maximum(whole, 0) + 1e-8) + _SMALLEST_SHARE)
