"""Depthwise convolutions, gates and scales."""

from .properties import *  # noqa: F403

NAMES = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
    *("EfficientNetB0", "EfficientNetV2B0", "ConvNeXtTiny"),
)
