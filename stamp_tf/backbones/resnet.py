"""ResNet-18 for small images, with a convolution on every shortcut."""

import keras
from keras import layers

from stamp_tf.backbones.checks import check_image_size, scale_width

_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
_NUM_BLOCKS = 2


def resnet18(input_shape: tuple[int, int, int], num_classes: int, *, width: float = 1.0) -> keras.Model:
    """Build ResNet-18 with a 3x3 stem and a 1x1 convolution on every shortcut.

    The convolution on the identity shortcuts too keeps the channels of one block from being tied to those of
    the next, so that each block can lose its own.

    Args:
        input_shape: Height, width and channels of an image.
        num_classes: Number of logits.
        width: Factor on every layer's channels.

    Returns:
        A functional model from images `[B, H, W, D]` to logits `[B, num_classes]`.

    Raises:
        StampError: If the images are smaller than 32x32 or `width` is not above 0.

    Source:
        He et al. 2016; Song et al. 2020 (section 4, networks).
    """
    check_image_size(input_shape)
    inputs = keras.Input(input_shape, name="image")
    x = _convolution(inputs, scale_width(64, width), kernel_size=3, strides=1, name="stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, (channels, stage_strides) in enumerate(_STAGES, start=1):
        filters = scale_width(channels, width)
        for block in range(1, _NUM_BLOCKS + 1):
            strides = stage_strides if block == 1 else 1
            name = f"stage{stage}_block{block}"
            branch = _convolution(x, filters, kernel_size=3, strides=strides, name=f"{name}_conv1")
            branch = layers.ReLU(name=f"{name}_relu1")(branch)
            branch = _convolution(branch, filters, kernel_size=3, strides=1, name=f"{name}_conv2")
            shortcut = _convolution(x, filters, kernel_size=1, strides=strides, name=f"{name}_shortcut")
            x = layers.Add(name=f"{name}_add")([branch, shortcut])
            x = layers.ReLU(name=f"{name}_relu2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    # Not in half precision: the loss is exact under mixed precision too.
    logits = layers.Dense(num_classes, dtype=keras.config.floatx(), name="logits")(x)
    return keras.Model(inputs, logits, name="resnet18")


def _convolution(
    x: keras.KerasTensor, filters: int, *, kernel_size: int, strides: int, name: str
) -> keras.KerasTensor:
    """Convolve without bias and normalise the batch."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
