"""A small network of depthwise separable convolutions."""

import keras
from keras import layers

from acorn.scale import Scale


def separable(input_shape: tuple[int, int, int], num_classes: int, *, width: float = 1.0) -> keras.Model:
    """Build the network.

    The stem is followed by two stages. A stage adds a scaled separable convolution to its input, sets another
    one beside the sum, and halves the size.

    Args:
        input_shape: Height, width and depth of an image.
        num_classes: Number of logits.
        width: Factor on every layer's channels.

    Returns:
        A functional model from images `[B, H, W, D]` to logits `[B, num_classes]`.
    """
    channels = max(1, round(32 * width))
    inputs = keras.Input(input_shape, name="image")
    x = _normalised(layers.Conv2D(channels, 3, padding="same", use_bias=False, name="stem")(inputs), "stem")
    for stage in (1, 2):
        residual = Scale(name=f"stage{stage}_scale")(_separable(x, x.shape[-1], f"stage{stage}_residual"))
        x = layers.Add(name=f"stage{stage}_sum")([x, residual])
        beside = _separable(x, channels, f"stage{stage}_beside")
        x = layers.Concatenate(name=f"stage{stage}_join")([x, beside])
        x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    # Logits not in half precision, so that the loss is exact under mixed precision too.
    return keras.Model(
        inputs, layers.Dense(num_classes, dtype=keras.config.floatx(), name="logits")(x), name="separable"
    )


def _separable(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_pointwise")(x)
    return _normalised(x, name)


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
