"""Inputs that a network is refitted on: arrays or a pipeline, no labels needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import input_structure
from stamp_tf.errors import StampError

# Numbers that one batch of inputs holds at most.
_NUMBERS = 2**22
_LARGEST_BATCH = 256


def sampled_inputs(model: keras.Model, inputs: Any, *, most: int, seed: int) -> Any:
    """Return inputs of a network as arrays, nested as it takes them.

    Args:
        model: The network.
        inputs: Arrays `[n, ...]`, nested as the network takes them; or an iterable of batches of such, alone or with
            labels behind them as `model.fit` takes them, of which the first ones are taken.
        most: How many to take at most; of arrays, a random part.
        seed: Decides which.

    Raises:
        StampError: If they are none, do not fit the network, are not finite, or are all alike.
    """
    structure = input_structure(model)
    if _are_arrays(inputs, structure):
        flat = _part(_flat(inputs, structure, model), most=most, seed=seed)
    else:
        flat = _taken(inputs, structure, model, most=most)
    if not np.all([np.isfinite(value).all() for value in flat if value.dtype.kind == "f"]):
        raise StampError("`inputs` must be finite, but hold NaN or infinity; leave those examples out.")
    if len(flat[0]) > 1 and all((value == value[:1]).all() for value in flat):
        raise StampError(
            f"`inputs` must differ, but all {len(flat[0])} are alike; give true examples of what the network is for."
        )
    return keras.tree.pack_sequence_as(structure, flat)


def in_batches(values: Any) -> Callable[[], Iterator[Any]]:
    """Return what gives arrays batch by batch, the same ones at every call.

    Args:
        values: Arrays `[n, ...]`, nested in any way.
    """
    flat = keras.tree.flatten(values)
    size = min(batch_size(value.shape[1:]) for value in flat)

    def batches() -> Iterator[Any]:
        for start in range(0, len(flat[0]), size):
            here = slice(start, start + size)
            yield keras.tree.map_structure(lambda value, here=here: value[here], values)

    return batches


def batch_size(shape: tuple[int, ...]) -> int:
    """Return how many examples of a shape are passed through a network at once."""
    return int(np.clip(_NUMBERS // max(int(np.prod(shape)), 1), 1, _LARGEST_BATCH))


def _are_arrays(inputs: Any, structure: Any) -> bool:
    """Whether inputs are arrays nested as the network takes them, rather than a list of batches."""
    if len(keras.tree.flatten(structure)) == 1 and not isinstance(inputs, dict):
        return _is_array(inputs)
    if isinstance(structure, dict) or isinstance(inputs, dict):
        return isinstance(inputs, dict)
    return isinstance(inputs, list | tuple) and all(map(_is_array, inputs))


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _flat(inputs: Any, structure: Any, model: keras.Model) -> list[np.ndarray]:
    """Return inputs as arrays in the order of `model.inputs`, checked against them."""
    if isinstance(inputs, dict):
        # As Keras does: by the keys of the structure, or by the names of the inputs where it has none.
        names = list(structure) if isinstance(structure, dict) else [tensor.name for tensor in model.inputs]
        if set(inputs) != set(names):
            raise StampError(
                f"`inputs` must have the names {', '.join(map(str, names))}, but have "
                f"{', '.join(map(str, inputs)) or 'none'}; give one array for each of them."
            )
        if not isinstance(structure, dict):
            inputs = [inputs[name] for name in names]
    flat = [_as_numbers(value) for value in keras.tree.flatten(inputs)]
    if len(flat) != len(model.inputs):
        count = len(model.inputs)
        raise StampError(
            f"`inputs` must be nested as the network takes them, in {count} array{'s' * (count > 1)}, but are "
            f"{len(flat)}; give one for each of model.inputs."
        )
    _check_numbers(flat, model)
    return flat


def _as_numbers(value: Any) -> np.ndarray:
    """Return an array; one of a type that NumPy does not know, such as bfloat16, as float32."""
    array = np.asarray(value)
    return array.astype("float32") if array.dtype.name.startswith(("bfloat16", "float8")) else array


def _check_numbers(flat: list[np.ndarray], model: keras.Model) -> None:
    for value, tensor in zip(flat, model.inputs, strict=True):
        shape = tuple(tensor.shape)
        if value.dtype.kind not in "fiub":
            raise StampError(f"`inputs` must be numbers, but are {value.dtype}; decode them first.")
        fits = value.ndim == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape[1:], value.shape[1:], strict=True)
        )
        if not fits:
            remedy = "add an axis over examples" if value.shape == shape[1:] else "bring them to that size"
            raise StampError(
                f"`inputs` must have shape {_in_words(shape)} for {tensor.name}, but have {value.shape}; {remedy}."
            )
        if len(value) == 0 or len(value) != len(flat[0]):
            raise StampError(
                f"`inputs` must be at least one example, as many for each input, but {tensor.name} has {len(value)}; "
                "give more."
            )
        _check_whole(value, tensor)


def _check_whole(value: np.ndarray, tensor: Any) -> None:
    """Refuse what an input of whole numbers would turn into others."""
    if "int" not in tensor.dtype or value.dtype.kind == "b":
        return
    range_of = np.iinfo(tensor.dtype)
    fits = (value >= range_of.min) & (value <= range_of.max) & (value == np.floor(value))
    if not fits.all():
        raise StampError(
            f"`inputs` must be whole numbers from {range_of.min} to {range_of.max} for {tensor.name} ({tensor.dtype}), "
            f"but hold {value[~fits][0]:g}; give them as the network was trained on."
        )


def _part(flat: list[np.ndarray], *, most: int, seed: int) -> list[np.ndarray]:
    if len(flat[0]) <= most:
        return flat
    chosen = np.sort(np.random.default_rng(seed).permutation(len(flat[0]))[:most])
    return [value[chosen] for value in flat]


def _taken(inputs: Iterable[Any], structure: Any, model: keras.Model, *, most: int) -> list[np.ndarray]:
    """Return the first examples of a pipeline, which may have no end."""
    if not hasattr(inputs, "__iter__") or isinstance(inputs, str | bytes):
        raise StampError(
            f"`inputs` must be arrays or an iterable of batches, but are {type(inputs).__name__}; give examples as the "
            "network takes them."
        )
    batches: list[list[np.ndarray]] = []
    count = 0
    for batch in islice(inputs, most):
        # What comes as (inputs, labels) or (inputs, labels, weights) comes so for `fit`.
        flat = _flat(batch[0] if isinstance(batch, tuple) and batch else batch, structure, model)
        batches.append(flat)
        count += len(flat[0])
        if count >= most:
            break
    if not batches:
        raise StampError("`inputs` must hold at least one batch, but the pipeline gave none; make it anew.")
    return [np.concatenate(parts)[:most] for parts in zip(*batches, strict=True)]


def _in_words(shape: tuple[int | None, ...]) -> str:
    return f"[n, {', '.join('any' if size is None else str(size) for size in shape[1:])}]"
