"""A set encoder without attention: mean and deviation of a set per pixel, mixed by two convolutions."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="tinynets")
class Moments(keras.layers.Layer):
    """A set of images `[B, H, W, D]` -> r pseudo-images `[r, H, W, D]`.

    Both moments are means over the set, so the order of the images does not matter, any B >= 1 will do, and
    memory is linear in B.

    Args:
        num_outputs: r, the number of pseudo-images.
        width: Number of features between the two convolutions.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).normal(size=(20, 32, 32, 3)).astype("float32")
        >>> tuple(Moments(num_outputs=2)(images).shape)
        (2, 32, 32, 3)
    """

    def __init__(self, *, num_outputs: int = 1, width: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_outputs < 1 or width < 1:
            raise ValueError(
                f"num_outputs and width must be at least 1, but they are {num_outputs} and {width}; "
                "give positive numbers."
            )
        self.num_outputs = num_outputs
        self.width = width

    def build(self, images_shape: tuple[int | None, ...]) -> None:
        _, height, columns, depth = images_shape
        self.features = layers.Conv2D(self.width, 3, padding="same", activation="gelu", name="features")
        self.pixels = layers.Conv2D(self.num_outputs * depth, 3, padding="same", name="pixels")
        self.features.build((None, height, columns, 2 * depth))
        self.pixels.build((None, height, columns, self.width))

    def call(self, images: Any, training: bool = False) -> Any:
        mean = ops.mean(images, axis=0, keepdims=True)
        # The small number keeps the gradient of the root finite for a set of one image, which has no spread.
        deviation = ops.sqrt(ops.mean(ops.square(images - mean), axis=0, keepdims=True) + 1e-6)
        mixed = self.pixels(self.features(ops.concatenate([mean, deviation], axis=-1)))
        _, height, columns, depth = images.shape
        separate = ops.reshape(mixed, (height, columns, self.num_outputs, depth))
        return ops.transpose(separate, (2, 0, 1, 3))

    def compute_output_shape(self, images_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.num_outputs, *images_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_outputs": self.num_outputs, "width": self.width}
