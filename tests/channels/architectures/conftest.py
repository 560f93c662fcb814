"""Published architectures with fresh weights, each at the smallest images it allows, and what a mask leaves of each.

Whole networks show that the smaller one computes the same. What else is asked of it depends on its layers, not on their
number: the first stages of each, which hold every kind of layer of it, train, are saved and served.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.channels import ChannelMap

NUM_CLASSES = 10
SIDES = {
    **dict.fromkeys(("VGG16", "VGG19", "ResNet50", "ResNet50V2", "ResNet152V2"), 32),
    **dict.fromkeys(("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"), 32),
    **dict.fromkeys(
        ("DenseNet121", "NASNetMobile", "EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"), 32
    ),
    **{"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71},
}
"""Height and width in pixels of what `keras.applications` holds."""


def _cross_stage_partial(models: Any, stage_type: str, **options: Any) -> keras.Model:
    return models.CSPNetBackbone(
        stem_filters=32,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_depth=[1, 2, 4],
        stackwise_strides=[2, 2, 2],
        stackwise_num_filters=[32, 64, 128],
        stage_type=stage_type,
        image_shape=(32, 32, 3),
        **options,
    )


_HUB = {
    "hub ResNet": lambda models: models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256],
        stackwise_num_blocks=[2, 2, 2],
        stackwise_num_strides=[1, 2, 2],
        block_type="bottleneck_block",
        use_pre_activation=True,
        image_shape=(32, 32, 3),
    ),
    "hub CSPDarkNet": lambda models: _cross_stage_partial(
        models, "csp", block_type="dark_block", bottle_ratio=[0.5], block_ratio=[1.0], expand_ratio=[2.0]
    ),
    "hub CS3": lambda models: _cross_stage_partial(
        models, "cs3", block_type="bottleneck_block", bottle_ratio=0.5, block_ratio=0.5, expand_ratio=1.0
    ),
    "hub DenseNet": lambda models: models.DenseNetBackbone(
        stackwise_num_repeats=[3, 3, 3], image_shape=(32, 32, 3)
    ),
}


@dataclass(frozen=True)
class Architecture:
    """A network, its first stages, and two images of noise.

    Args:
        name: One of those of a file.
        model: The full network, with lively weights.
        stages: Its first layers, some of every kind, and a head; a model on the same layers.
        images: What both take.
    """

    name: str
    model: keras.Model
    stages: keras.Model
    images: np.ndarray


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand the architectures that a file names to its tests, one after the other."""
    if "architecture" in metafunc.fixturenames:
        metafunc.parametrize("architecture", metafunc.module.NAMES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def architecture(
    request: pytest.FixtureRequest, set_precision: Callable[[str], None]
) -> Iterator[Architecture]:
    """One architecture after the other, built once for all tests of a file, in double precision."""
    keras.backend.clear_session()
    set_precision("float64")
    model = build(request.param)
    images = np.random.default_rng(1).normal(size=(2, *model.input_shape[1:]))
    yield Architecture(request.param, model, first_stages(model), images)
    set_precision("float32")


def first_stages(model: keras.Model) -> keras.Model:
    """Return the first layers of a network that are of all its kinds, with a head of its own."""
    kinds = kinds_of(model) - {"Dense", "Dropout", "Flatten", "GlobalAveragePooling2D"}
    for layer in model.layers[10:]:
        if kinds <= kinds_of(keras.Model(model.input, layer.output)):
            break
    pool = keras.layers.Flatten() if "Flatten" in kinds_of(model) else keras.layers.GlobalAveragePooling2D()
    x = layer.output if len(layer.output.shape) == 2 else pool(layer.output)
    return keras.Model(model.input, keras.layers.Dense(NUM_CLASSES, name="end")(x))


def kinds_of(model: keras.Model) -> set[str]:
    return {type(layer).__name__ for layer in model.layers}


def build(name: str) -> keras.Model:
    if name in _HUB:
        import keras_hub

        features = _HUB[name](keras_hub.models)
        pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(features.output)
        model = keras.Model(features.input, keras.layers.Dense(NUM_CLASSES, name="predictions")(pooled))
    else:
        model = getattr(keras.applications, name)(
            weights=None,
            input_shape=(SIDES[name], SIDES[name], 3),
            classes=NUM_CLASSES,
            classifier_activation=None,
        )
    _enliven(model)
    return model


def _enliven(model: keras.Model) -> None:
    """Give every weight and statistic a value of its own, so that a wrong slice cannot go unnoticed."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, shape))
        elif len(shape) == 1 and name != "variance":
            weight.assign(rng.normal(0, 0.3, shape))
        elif len(shape) > 1:
            weight.assign(rng.normal(0, np.sqrt(1 / np.prod(shape[:-1])), shape))


@pytest.fixture(scope="session")
def draw_half() -> Callable[[ChannelMap], np.ndarray]:
    """Draw a mask that keeps a random half of every group."""
    return half_of


def half_of(channel_map: ChannelMap) -> np.ndarray:
    rng, mask = np.random.default_rng(2), np.zeros(channel_map.num_channels)
    for group in channel_map.groups:
        mask[group.start + rng.permutation(group.size)[: max(1, group.size // 2)]] = 1
    return mask
