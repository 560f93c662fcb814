"""Put the scaling of pixels into a network, and take it out again."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import functional_graph, input_structure, run_through
from stamp_tf.data import Normalization
from stamp_tf.export.plain import twin_of

_NAME = "pixels"


def scale_and_shift(normalization: Normalization) -> tuple[np.ndarray, np.ndarray]:
    """Return what normalises a pixel in [0, 255], float32 `[D]` each: pixel * scale - shift.

    Args:
        normalization: Mean and deviation of pixels in [0, 1].
    """
    std = np.asarray(normalization.std, np.float32)
    # The same roundings as in training.
    return np.float32(1 / 255) / std, np.asarray(normalization.mean, np.float32) / std


def with_scaling(
    model: keras.Model, normalization: Normalization, *, input_name: str
) -> tuple[keras.Model, str | None]:
    """Return a twin that takes pixels in [0, 255], and the name of the layer that scales them.

    Args:
        model: Takes normalised images; it is not changed.
        normalization: How its images were normalised.
        input_name: Of the input.

    Returns:
        The twin, and None in place of a name where the model takes such pixels by itself.
    """
    twin = twin_of(model)
    scale, shift = scale_and_shift(normalization)
    if (scale == 1).all() and (shift == 0).all():
        return twin, None
    # Without its own input, whose place the new one takes: a name counted up would change with the process.
    taken = {layer.name for layer in twin.layers if not isinstance(layer, keras.layers.InputLayer)}
    name = next(
        each for each in (_NAME, *(f"{_NAME}_{number}" for number in range(1, 99))) if each not in taken
    )
    own = twin.inputs[0]
    free = input_name if input_name not in taken else f"{input_name}_of_pixels"
    image = keras.Input(own.shape[1:], dtype="float32", name=free)
    layer = keras.layers.Rescaling(_plain(scale), _plain(-shift), dtype="float32", name=name)
    return keras.Model(image, _called(twin, layer(image)), name=model.name), name


def without_scaling(model: keras.Model, name: str) -> keras.Model:
    """Undo `with_scaling`.

    Args:
        model: Takes pixels in [0, 255].
        name: Of the layer that scales them.
    """
    image = keras.Input(model.inputs[0].shape[1:], name=model.inputs[0].name)

    def each(operation: Any) -> Any:
        return (lambda images, **_: images) if operation.name == name else operation

    return twin_of(keras.Model(image, _called(model, image, operation_fn=each), name=model.name))


def _called(model: keras.Model, image: Any, *, operation_fn: Any = lambda operation: operation) -> Any:
    graph = functional_graph(model)
    inputs = keras.tree.map_structure(lambda _: image, input_structure(graph))
    outputs = run_through(graph, inputs, operation_fn=operation_fn)
    return keras.tree.flatten(outputs)[0]


def _plain(values: np.ndarray) -> list[float]:
    return [float(value) for value in values]
