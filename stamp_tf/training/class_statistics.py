"""What every channel does on every class of the reference data set, kept up to date while weights move."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any

IMAGE_WEIGHT = 0.05
"""Weight of a new image in the running moments of its class."""


class ClassStatistics:
    """Running first and second moments of the pooled probe, per class.

    They stand for sets of images that would have to be encoded in every step: two vectors per class, mean plus
    and minus deviation, have the moments of all of its images.

    Args:
        num_classes: K.
        num_channels: C.
    """

    def __init__(self, num_classes: int, num_channels: int) -> None:
        shape = (num_classes, num_channels)
        self.means = keras.Variable(np.zeros(shape), dtype=keras.config.floatx(), name="class_means")
        self.squares = keras.Variable(np.zeros(shape), dtype=keras.config.floatx(), name="class_squares")

    @property
    def variables(self) -> list[keras.Variable]:
        """All that changes."""
        return [self.means, self.squares]

    def measure(self, pooled: np.ndarray, labels: np.ndarray) -> None:
        """Start from these images alone.

        Args:
            pooled: `[B, C]`.
            labels: int `[B]`, values in [0, K).
        """
        members = np.eye(self.means.shape[0], dtype=self.means.dtype)[labels]
        shares = (members / np.maximum(members.sum(0), 1)).T
        self.means.assign(shares @ pooled)
        self.squares.assign(shares @ np.square(pooled))

    def update(self, pooled: Tensor, labels: Tensor) -> None:
        """Move the moments of the classes in a mini-batch towards what it says.

        Args:
            pooled: `[b, C]`.
            labels: int `[b]`, values in [0, K).
        """
        members = ops.one_hot(labels, self.means.shape[0], dtype=self.means.dtype)
        count = ops.sum(members, axis=0)[:, None]
        shares = ops.transpose(members) / ops.maximum(count, 1)
        weight = 1 - (1 - IMAGE_WEIGHT) ** count
        for variable, values in ((self.means, pooled), (self.squares, ops.square(pooled))):
            batch = ops.matmul(shares, ops.cast(values, variable.dtype))
            variable.assign(variable.value + weight * (batch - variable.value))

    def sketch(self) -> tuple[Tensor, Tensor]:
        """Return two vectors per class with its moments, `[2 K, C]`, and their classes, 0/1 `[2 K, K]`."""
        means = self.means.value
        deviations = ops.sqrt(ops.maximum(self.squares.value - ops.square(means), 0))
        classes = ops.eye(self.means.shape[0], dtype=self.means.dtype)
        return (
            ops.concatenate([means - deviations, means + deviations]),
            ops.concatenate([classes, classes]),
        )
