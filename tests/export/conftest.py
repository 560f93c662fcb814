"""Toy networks and runs for the export tests."""

from dataclasses import dataclass

import keras
import pytest


@dataclass(frozen=True)
class Pixels:
    """Stands for the normalisation stored with a run."""

    mean: tuple[float, ...] = (0.4, 0.5, 0.6)
    std: tuple[float, ...] = (0.2, 0.25, 0.3)


@pytest.fixture
def network(residual_network: keras.Model) -> keras.Model:
    return residual_network


@pytest.fixture
def pixels() -> Pixels:
    return Pixels()


@pytest.fixture
def class_names() -> tuple[str, ...]:
    return ("cat", "straße", "dog, wet")
