"""Stacks of convolutions, and sums of branches."""

from .properties import *  # noqa: F403

NAMES = (
    "VGG16",
    "VGG19",
    "ResNet50",
    "ResNet50V2",
    "ResNet152V2",
    "Xception",
    "hub ResNet",
    "hub CSPDarkNet",
)
