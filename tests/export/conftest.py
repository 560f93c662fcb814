"""Toy networks and runs for the export tests."""

import keras
import pytest

from stamp_tf.data import Normalization


@pytest.fixture
def network(residual_network: keras.Model) -> keras.Model:
    return residual_network


@pytest.fixture
def pixels() -> Normalization:
    return Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@pytest.fixture
def class_names() -> tuple[str, ...]:
    return ("cat", "straße", "dog, wet")
