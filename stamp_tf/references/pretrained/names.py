"""Names of pretrained networks, such as `keras:MobileNetV2`: told from files, and refused before anything is loaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from stamp_registry import did_you_mean
from stamp_tf.errors import StampError
from stamp_tf.references.pretrained.weight_files import NAMES, weight_file

KERAS, HUB = "keras:", "hub:"


def is_name(source: str | Path) -> bool:
    """Return whether a user names a pretrained network, not a file or a run.

    Args:
        source: What was given.
    """
    return str(source).startswith((KERAS, HUB))


def check_name(source: str | Path, *, image_shape: tuple[int, int, int] | None, download: bool) -> None:
    """Refuse a network that nobody knows, or whose weights are not there, before anything heavy is imported.

    What KerasHub has is known once it is imported; here only that it is installed is checked.

    Args:
        source: `keras:NAME` or `hub:PRESET`.
        image_shape: Height, width and depth of its images; None for those that it was trained on.
        download: Whether weights may be fetched.

    Raises:
        StampError: In one line that says what to do.
    """
    if str(source).startswith(HUB):
        if importlib.util.find_spec("keras_hub") is None:
            raise StampError(
                f"{source} needs KerasHub, but it is not installed; pip install 'stamp-tf[hub]'."
            )
        return
    name = name_of(source)
    if name not in NAMES:
        raise StampError(
            f"keras:{name} must be an image classifier of keras.applications, but there is none of that name; write "
            f"for example keras:MobileNetV2.{did_you_mean(name, NAMES)}"
        )
    if not download:
        check_weights(name, image_shape)


def name_of(source: str | Path) -> str:
    """Return what stands behind `keras:` or `hub:`."""
    return str(source).partition(":")[2]


def check_weights(name: str, image_shape: tuple[int, int, int] | None) -> Path:
    """Return the file of a network's weights in the cache of Keras.

    Args:
        name: Of the network.
        image_shape: Of its images, which decides the file of some; None for those that it was trained on.

    Raises:
        StampError: If it is not there.
    """
    file = weight_file(name, image_shape)
    if not file.is_file():
        raise StampError(
            f"keras:{name} needs its weights, but {file.name} is not in {file.parent}; add `network:download=True`, "
            "copy the file there, or set KERAS_HOME to the folder in whose 'models' it lies."
        )
    return file
