"""Draw random inputs that a network may be called on."""

from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import flat_layers, functional_graph, input_structure

OPEN_SIZE = 64
"""Stands for a size of an input that may be any."""


def draw_inputs(model: keras.Model, number: int, *, small_numbers: bool = False) -> Any:
    """Return inputs in the structure of a model's, the same ones each time.

    Entries of a batch come from [0, 1), from a normal distribution and from [0, 255) in turn, so that what a
    network does to images, features or their logarithms is seen. Words are of the vocabularies that its layers know.

    Args:
        model: A functional model.
        number: Size of the batch where it is open.
        small_numbers: Draw from [0, 1) alone.
    """
    rng = np.random.default_rng(0)
    words = [word for layer in flat_layers(model) for word in _vocabulary(layer)]
    return keras.tree.map_structure(
        lambda tensor: _draw(tensor, rng, number=number, words=words, small_numbers=small_numbers),
        input_structure(functional_graph(model)),
    )


def _draw(
    tensor: keras.KerasTensor, rng: np.random.Generator, *, number: int, words: list[Any], small_numbers: bool
) -> np.ndarray:
    shape = [OPEN_SIZE if size is None else size for size in tensor.shape]
    if shape and tensor.shape[0] is None:
        shape[0] = number
    if tensor.dtype == "string":
        strings = sorted({word for word in words if isinstance(word, str)}) or ["a", "b"]
        return rng.choice(np.array(strings, object), shape)
    if tensor.dtype == "bool":
        return rng.random(shape) < 0.5
    if "int" in tensor.dtype:
        # An index of an embedding may be no greater; other layers know theirs.
        numbers = sorted({int(word) for word in words if isinstance(word, int | np.integer)}) or [0, 1]
        return rng.choice(numbers, shape).astype(tensor.dtype)
    value = rng.random(shape)
    if not small_numbers and shape:
        value[1::3] = rng.normal(size=value[1::3].shape)
        value[2::3] *= 255
    return value.astype("float32" if "16" in tensor.dtype else tensor.dtype)


def _vocabulary(layer: keras.Layer) -> list[Any]:
    known = getattr(layer, "get_vocabulary", None)
    if known is None:
        return []
    # The first ones stand for what is masked or not known.
    return list(known())[1:]
