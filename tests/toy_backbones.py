"""Backbones of one to three convolutions, for tests that need one by name."""

import keras
from keras import layers


def tiny(input_shape, num_classes, *, width=1.0):
    inputs = keras.Input(input_shape, name="image")
    x = layers.Conv2D(round(6 * width), 3, use_bias=False, name="conv1")(inputs)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(name="norm1")(x))
    x = layers.Conv2D(round(8 * width), 3, strides=2, use_bias=False, name="conv2")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(name="norm2")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="tiny")


def unnamed(input_shape, num_classes):
    inputs = keras.Input(input_shape)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, 3)(inputs)))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(x)))


def dropping(input_shape, num_classes):
    inputs = keras.Input(input_shape, name="image")
    x = layers.Conv2D(6, 3, name="conv1")(inputs)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(name="norm1")(x))
    x = layers.Dropout(0.5, name="dropout")(layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="dropping")


def small(input_shape, num_classes, *, width=1.0, dropout=0.0):
    inputs = keras.Input(input_shape, name="image")
    x = layers.Conv2D(round(8 * width), 3, strides=2, name="conv1")(inputs)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(momentum=0.8, name="norm1")(x))
    x = layers.Conv2D(round(8 * width), 3, name="conv2")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(momentum=0.8, name="norm2")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="small")


def three(input_shape, num_classes):
    inputs = x = keras.Input(input_shape, name="image")
    for index, channels in enumerate((6, 8, 10), start=1):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", name=f"conv{index}")(x)
        x = layers.BatchNormalization(name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="small")


def strided(input_shape, num_classes, *, width=1.0):
    inputs = x = keras.Input(input_shape, name="image")
    for index, channels in enumerate((8, 12, 16), start=1):
        channels = max(1, round(channels * width))
        x = layers.Conv2D(channels, 3, strides=2, padding="same", name=f"conv{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(num_classes, dtype=keras.config.floatx(), name="logits")(x)
    return keras.Model(inputs, logits, name="toy")


def even(input_shape, num_classes, *, width=1.0):
    inputs = x = keras.Input(input_shape, name="image")
    for index in (1, 2):
        x = layers.Conv2D(round(8 * width), 3, strides=4, padding="same", name=f"conv{index}")(x)
        x = layers.BatchNormalization(name=f"conv{index}_norm")(x)
        x = layers.ReLU(name=f"conv{index}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="toy")
