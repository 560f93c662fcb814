"""A network from what a user names: a file, or a pretrained network such as `keras:MobileNetV2`."""

from __future__ import annotations

from pathlib import Path

import keras

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.channels.graph import layers_numbered_anew
from stamp_tf.data.resize import check_image_shape
from stamp_tf.errors import StampError
from stamp_tf.references.network_file import load_network_file
from stamp_tf.references.pretrained.applications import load_application
from stamp_tf.references.pretrained.hub import load_preset
from stamp_tf.references.pretrained.names import HUB, check_name, is_name, name_of


def load_network(
    source: str | Path,
    *,
    image_shape: tuple[int, int, int] | None = None,
    download: bool = False,
    weights: bool = True,
) -> keras.Model:
    """Load a network by its file or by its name, to prune, shrink or inspect it.

    A pretrained network takes images of red, green and blue in [0, 255]; what its authors do to pixels is part of it.
    Its weights come out of the cache of Keras (`~/.keras/models`, or `models` in `KERAS_HOME`) or of KerasHub.

    Args:
        source: `keras:NAME` for an image classifier of keras.applications, `hub:PRESET` for one of KerasHub or a
            folder of one, or a `.keras` or `.h5` file of a whole model, which is loaded in safe mode.
        image_shape: Height, width and depth of a pretrained network's images; None for those that it was trained on.
        download: Whether weights of a pretrained network may be fetched.
        weights: Whether a pretrained network gets its weights; without them it is good for inspection alone.

    Raises:
        StampError: If there is no such network, its weights are not there, or it cannot have images of that size.

    Example:
        >>> model = stamp_tf.load_network("keras:MobileNetV2", image_shape=(160, 160, 3), download=True)
        >>> stamp_tf.prune("folder:photos", model, max_flops=0.5, method="remaining-error")
    """
    check_arguments(
        image_shape=(image_shape, tuple[int, int, int] | None),
        download=(download, bool),
        weights=(weights, bool),
    )
    path = as_path(source, "source")
    if image_shape is not None:
        image_shape = _checked(image_shape, source)
    if not is_name(source):
        return load_network_file(path)
    check_name(source, image_shape=image_shape, download=download or not weights)
    load = load_preset if str(source).startswith(HUB) else load_application
    # A run that was cut from it finds it by the names of its layers.
    with layers_numbered_anew():
        return load(name_of(source), image_shape=image_shape, download=download, weights=weights)


def _checked(shape: tuple[int, int, int], source: str | Path) -> tuple[int, int, int]:
    """Refuse a size for what has one, or of other images than the pretrained networks take."""
    if not is_name(source):
        raise StampError(f"`image_shape` needs a network by name, but {source} has a size; leave it out.")
    check_image_shape(shape)
    if shape[2] != 3:
        raise StampError(
            f"`image_shape` must have a depth of 3 for {source}, but is {shape}; write (160, 160, 3)."
        )
    height, width, depth = shape
    return height, width, depth
