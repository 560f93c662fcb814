"""A tiny network with a residual sum and batch normalisation, and problems on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.channels import Budget, TracedNetwork
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference

SHAPE = (2, 2, 1)


def tiny_network() -> keras.Model:
    """Two kernels whose sum is normalised as one, then a kernel without normalisation."""

    def convolution(filters: int, name: str) -> keras.layers.Conv2D:
        return keras.layers.Conv2D(filters, 1, use_bias=name == "last", name=name)

    image = keras.Input(SHAPE, name="image")
    x = keras.layers.Add(name="sum")([convolution(3, "left")(image), convolution(3, "right")(image)])
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = convolution(2, "last")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(2, name="logits")(x), name="tiny")


@pytest.fixture
def tiny() -> keras.Model:
    model = tiny_network()
    model.get_layer("left").kernel.assign(np.reshape([1.0, -2.0, 0.5], (1, 1, 1, 3)))
    model.get_layer("right").kernel.assign(np.reshape([-3.0, 0.5, 1.0], (1, 1, 1, 3)))
    model.get_layer("norm").gamma.assign([0.5, -2.0, 1.0])
    model.get_layer("last").kernel.assign(np.reshape([[3.0, -1.0], [0.0, 2.0], [4.0, 2.0]], (1, 1, 3, 2)))
    model.get_layer("last").bias.assign([100.0, -100.0])
    model.get_layer("logits").kernel.assign([[1.0, -1.0], [0.5, 0.25]])
    return model


@pytest.fixture
def make_problem() -> Callable[..., PruningProblem]:
    """Return a maker of problems on a network, whose options are keywords."""

    def make(model: keras.Model, **options: Any) -> PruningProblem:
        pixels = np.arange(0, 240, 20, dtype="uint8").reshape(3, *SHAPE)
        images = ImageSet(pixels, np.array([0, 1, 1], "int32"), 2, class_names=("dark", "light"))
        normalization = Normalization((0.0,), (1.0,))
        reference = Reference(
            backbone=BackboneConfig(name="tiny", input_shape=SHAPE, num_classes=2),
            network=TracedNetwork.of(model),
            normalization=normalization,
        )
        return PruningProblem(
            reference=reference,
            model=model,
            cost=reference.cost_model,
            dataset=DataSet("shades", images, images),
            normalization=normalization,
            budget=Budget(max_flops=0.5),
            options=options,
        )

    return make


@pytest.fixture
def small(make_plugin: Callable[..., Path]) -> Reference:
    """A reference of three convolutions with learnt scores, whose backbone is registered as `small`."""
    source = Path(__file__).parents[1].joinpath("toy_backbones.py").read_text()
    make_plugin("small-network", {"stamp_tf.backbones": ["small = small_network:three"]}, source)
    backbone = BackboneConfig(name="small", input_shape=(16, 16, 3), num_classes=5)
    keras.utils.set_random_seed(7)
    network = TracedNetwork.of(backbone.build())
    scores = np.random.default_rng(0).normal(size=network.channel_map.num_channels).astype("float32")
    return Reference(
        backbone=backbone,
        network=network,
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
        scores=scores,
    )


@pytest.fixture(scope="session")
def shades() -> DataSet:
    """Three classes that differ in brightness, for `small`."""
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        pixels = rng.integers(0, 100, (count, 16, 16, 3)) + 50 * labels[:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("a", "b", "c"))

    return DataSet("shades", images(24), images(12))
