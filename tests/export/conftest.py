"""Toy networks and runs for the export tests."""

from dataclasses import dataclass

import keras
import pytest


@dataclass(frozen=True)
class Pixels:
    """Stands for the normalisation stored with a run."""

    mean: tuple[float, ...] = (0.4, 0.5, 0.6)
    std: tuple[float, ...] = (0.2, 0.25, 0.3)


def toy_network(width: int = 4, *, seed: int = 0) -> keras.Model:
    """A convolution, a normalisation with moved statistics, a residual sum and three classes."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(width, 3, padding="same", name="conv1")(image)
    x = keras.layers.BatchNormalization(moving_mean_initializer="ones", name="bn1")(x)
    x = keras.layers.Activation("relu", name="relu1")(x)
    x = keras.layers.Add(name="add")([x, keras.layers.Conv2D(width, 3, padding="same", name="conv2")(x)])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(3, name="head")(x), name="toy")


@pytest.fixture
def network() -> keras.Model:
    return toy_network()


@pytest.fixture
def pixels() -> Pixels:
    return Pixels()


@pytest.fixture
def class_names() -> tuple[str, ...]:
    return ("cat", "straße", "dog, wet")
