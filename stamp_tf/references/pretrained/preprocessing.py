"""What a network's authors do to pixels, put into the network itself: it then takes them in [0, 255]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from stamp_tf.channels import inlined
from stamp_tf.channels.graph import functional_graph, run_through
from stamp_tf.errors import StampError

_SIDE = 8
_WHITE = 255.0
_NOTHING = 1e-6


def with_preprocessing(
    model: keras.Model, preprocess: Callable[[Any], Any] | None, *, image_shape: tuple[int, int, int]
) -> keras.Model:
    """Return a network that scales its pixels itself.

    What is done to pixels is measured on four images, black, red, green and blue. Where it changes their order, as the
    networks do that were trained with Caffe on blue, green and red, the first kernel is given the other order instead,
    which computes the same and leaves the pixels alone.

    Args:
        model: A functional model of one image; its first kernel is changed where the order is.
        preprocess: What its images went through, from pixels in [0, 255]; None for nothing.
        image_shape: Height, width and depth that the network is to have; its own, where that is fixed.

    Returns:
        A model that shares its layers, without models in it.

    Raises:
        StampError: If more is done to pixels than to scale, shift and reorder each.
    """
    scale, offset, order = (1.0, 0.0, None) if preprocess is None else _measured(preprocess, model.name)
    if order is not None:
        _reorder(model, order)
    image = keras.Input(image_shape, name="image")
    is_needed = np.any(np.abs(np.subtract(scale, 1)) > _NOTHING) or np.any(np.abs(offset) > _NOTHING)
    pixels = keras.layers.Rescaling(scale, offset, name="preprocessing")(image) if is_needed else image
    return inlined(keras.Model(image, run_through(functional_graph(model), pixels), name=model.name))


def _measured(preprocess: Callable[[Any], Any], name: str) -> tuple[Any, Any, list[int] | None]:
    """Return factor and summand of red, green and blue, and where the network's kernel has each, if it is elsewhere."""
    images = np.zeros((4, _SIDE, _SIDE, 3), "float32")
    for depth in range(3):
        images[depth + 1, ..., depth] = _WHITE
    results = np.asarray(keras.ops.convert_to_numpy(preprocess(images)), "float64").mean(axis=(1, 2))
    effect = (results[1:] - results[0]) / _WHITE
    places = np.abs(effect).argmax(axis=1)
    rest = effect.copy()
    rest[np.arange(3), places] = 0
    if sorted(places) != [0, 1, 2] or np.abs(rest).max() > _NOTHING * np.abs(effect).max():
        raise StampError(
            f"The preprocessing of {name} must scale, shift and reorder the depths of a pixel, but it mixes them; "
            "write a network that takes pixels as they are, and give it as a keras.Model."
        )
    scale, offset = effect[np.arange(3), places], results[0][places]
    order = None if list(places) == [0, 1, 2] else [int(place) for place in places]
    return _one_or_all(scale), _one_or_all(offset), order


def _one_or_all(values: np.ndarray) -> float | list[float]:
    # Ten digits, so that 1 / 127.5 is no 0.00784313678741455.
    rounded = [float(f"{value:.7g}") for value in values]
    return rounded[0] if len(set(rounded)) == 1 else rounded


def _reorder(model: keras.Model, order: list[int]) -> None:
    """Let a network's first kernel find red, green and blue in this order."""
    first = next(layer for layer in model.layers if layer.weights)
    kernel = np.asarray(keras.ops.convert_to_numpy(first.kernel))
    first.kernel.assign(kernel[:, :, order])
