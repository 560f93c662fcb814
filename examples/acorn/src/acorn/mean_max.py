"""A set encoder that pools a set twice, by mean and by maximum."""

from typing import Any

import keras
from keras import layers, ops

from stamp_tf.set_encoders.set_encoder import SetEncoder


@keras.saving.register_keras_serializable(package="acorn")
class MeanMax(SetEncoder):
    """One dense layer per image, its mean and maximum over the set, one dense layer on both.

    Args:
        **kwargs: Those of `SetEncoder`: `num_outputs`, `width`, `resolution`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.elements = layers.Dense(self.width, activation="gelu", name="elements", dtype=policy)
        self.mixture = layers.Dense(self.num_outputs * self.width, name="mixture", dtype=policy)
        self.norm = layers.LayerNormalization(name="norm", dtype=policy)

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        rows, columns, depth = coarse_shape
        self.elements.build((None, rows * columns * depth))
        self.mixture.build((1, 2 * self.width))
        self.norm.build((self.num_outputs, self.width))

    def features(self, coarse: Any, training: bool) -> Any:
        rows, columns, depth = self.coarse_shape
        elements = self.elements(ops.reshape(coarse, (-1, rows * columns * depth)))
        pooled = ops.concatenate([ops.mean(elements, axis=0), ops.max(elements, axis=0)])
        return self.norm(ops.reshape(self.mixture(pooled[None]), (self.num_outputs, self.width)))
