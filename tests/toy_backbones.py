"""Backbones of two convolutions, for tests that need one by name."""

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
