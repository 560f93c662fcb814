"""VGG-19 with batch normalisation for small images."""

import keras
from keras import layers

from stamp_tf.backbones.checks import check_image_size, scale_width

_BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


def vgg19(input_shape: tuple[int, int, int], num_classes: int, *, width: float = 1.0) -> keras.Model:
    """Build VGG-19: 16 convolutions of 3x3 in five blocks and one dense layer.

    Max pooling ends the first four blocks, global average pooling the last, so that any input of at least
    32x32 fits.

    Args:
        input_shape: Height, width and channels of an image.
        num_classes: Number of logits.
        width: Factor on every layer's channels.

    Returns:
        A functional model from images `[B, H, W, D]` to logits `[B, num_classes]`.

    Raises:
        StampError: If the images are smaller than 32x32 or `width` is not above 0.

    Source:
        Simonyan & Zisserman 2015; the variant with one dense layer is that of Zhuang et al. 2018.
    """
    check_image_size(input_shape)
    inputs = x = keras.Input(input_shape, name="image")
    for block, channels in enumerate(_BLOCKS, start=1):
        for index, filters in enumerate(channels, start=1):
            name = f"block{block}_conv{index}"
            x = layers.Conv2D(
                scale_width(filters, width), 3, padding="same", kernel_initializer="he_normal", name=name
            )(x)
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        if block < len(_BLOCKS):
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    # Not in half precision: the loss is exact under mixed precision too.
    logits = layers.Dense(num_classes, dtype=keras.config.floatx(), name="logits")(x)
    return keras.Model(inputs, logits, name="vgg19")
