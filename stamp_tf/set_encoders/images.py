"""The set as its own representation."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="stamp_tf")
class Images(keras.layers.Layer):
    """Every image stands for itself: r = B, and nothing is learnt.

    For mask generators that measure what a network's channels do on real images, and as a yardstick for
    encoders that sum a set up. The representation is a set as well: its order follows the images' and means
    nothing.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.set_encoders.images import Images
        >>> tuple(Images()(np.zeros((20, 32, 32, 3), "float32")).shape)
        (20, 32, 32, 3)
    """

    keeps_images = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, images: Any, training: bool = False) -> Any:
        return images

    def compute_output_shape(self, images_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(images_shape)
