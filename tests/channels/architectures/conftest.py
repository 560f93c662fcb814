"""Published architectures with fresh weights, each at the smallest images it allows, and a mask for each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.channels import ChannelMap, slice_model, trace_channels

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
NAMES = (*SIDES, *_HUB)


@dataclass(frozen=True)
class Architecture:
    """A network, a mask that keeps a random half of every group, and the two ways to apply it.

    Args:
        name: One of `NAMES`.
        model: The full network, with lively weights.
        channel_map: Its channels.
        mask: 0/1 per channel.
        images: Two images of noise.
        masked: Logits of the network with masked kernels.
        smaller: The sliced network.
    """

    name: str
    model: keras.Model
    channel_map: ChannelMap
    mask: np.ndarray
    images: np.ndarray
    masked: np.ndarray
    smaller: keras.Model


@pytest.fixture(scope="module")
def floatx() -> str:
    """Precision of the networks; a file may have another."""
    return "float32"


@pytest.fixture(scope="module", params=NAMES)
def architecture(
    request: pytest.FixtureRequest,
    floatx: str,
    masked: Callable[..., np.ndarray],
    set_precision: Callable[[str], None],
) -> Iterator[Architecture]:
    """One architecture after the other, built once for all tests of a file."""
    keras.backend.clear_session()
    set_precision(floatx)
    model = build(request.param)
    channel_map = trace_channels(model)
    mask, images = draw_half(channel_map), draw_images(model)
    logits = masked(model, channel_map, mask, images)
    smaller = slice_model(model, channel_map, mask)
    yield Architecture(request.param, model, channel_map, mask, images, logits, smaller)
    set_precision("float32")


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


def draw_images(model: keras.Model) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, *model.input_shape[1:])).astype(keras.config.floatx())


def draw_half(channel_map: ChannelMap) -> np.ndarray:
    rng, mask = np.random.default_rng(2), np.zeros(channel_map.num_channels)
    for group in channel_map.groups:
        mask[group.start + rng.permutation(group.size)[: max(1, group.size // 2)]] = 1
    return mask
