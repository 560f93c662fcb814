"""Branches that are put side by side."""

from .properties import *  # noqa: F403

NAMES = ("InceptionV3", "InceptionResNetV2", "DenseNet121", "NASNetMobile", "hub CS3", "hub DenseNet")
