"""Carry over what a layer knows beyond its configuration: variables, vocabularies, boundaries, attributes."""

import copy
import tempfile
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import flat_layers

_OF_EACH_LAYER = {
    *("_supports_masking", "_input_spec", "activity_regularizer", "autocast", "supports_jit"),
    *("_convert_input_args", "_allow_non_tensor_positional_args"),
}
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.ndarray)


@cache
def base_attributes() -> frozenset[str]:
    """Return what Keras itself keeps in every layer, such as nodes, trackers and names: a twin has its own."""
    names = {*vars(keras.Layer(name="base")), *vars(keras.Operation(name="base"))}
    return frozenset((names | {"_auto_config_error_args"}) - _OF_EACH_LAYER)


def carry_functions(old: Any, new: Any) -> None:
    """Set functions of a twin that are others: a configuration knows them by name, and two may have the same.

    Args:
        old: The layer or operation.
        new: Its twin.
    """
    for one, other in pairs(old, new):
        for name, value in vars(one).items():
            if name not in base_attributes() and _is_other_function(value, vars(other).get(name)):
                setattr(other, name, value)


def carry_data(old: Any, new: Any) -> None:
    """Set numbers, arrays and nests of them that a twin's constructor set otherwise, such as boundaries.

    Right for a layer that loses nothing.

    Args:
        old: The layer or operation.
        new: Its twin.
    """
    for one, other in pairs(old, new):
        for name, value in vars(one).items():
            if name in base_attributes() or name.startswith("_self_") or not _is_plain(value):
                continue
            missing, mine = name not in vars(other), vars(other).get(name)
            if (missing or _is_plain(mine)) and not _is_same(value, mine, missing):
                setattr(other, name, _copied(value))


def carry_notes(model: keras.Model, twin: keras.Model) -> None:
    """Set plain attributes that somebody gave a model, such as the names of its classes.

    Args:
        model: The model.
        twin: Its twin.
    """
    for name, value in vars(model).items():
        if not name.startswith("_") and name not in vars(twin) and _is_plain(value):
            setattr(twin, name, _copied(value))


def carry_assets(old: Any, new: Any) -> None:
    """Give a twin the vocabularies of a layer, and what it saves without variables, as saving would.

    Args:
        old: The layer or operation.
        new: Its twin.
    """
    if not isinstance(old, keras.Layer):
        return  # operations have no assets
    for one, other in pairs(old, new):
        if _overrides(one, "save_own_variables") and not one.variables:
            store: dict[str, Any] = {}
            one.save_own_variables(store)
            other.load_own_variables(store)
        if _overrides(one, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                one.save_assets(folder)
                other.load_assets(folder)


def carry_state(old: keras.Layer, new: keras.Layer, change: Callable[[keras.Variable], np.ndarray]) -> None:
    """Give a twin that is built the state of a layer: variables, random states, and what may be trained.

    Args:
        old: The layer.
        new: Its twin.
        change: Returns the value that the twin of a variable takes.

    Raises:
        ValueError: If the twin has other variables.
    """
    variables, twins = _variables(old), _variables(new)
    if len(variables) != len(twins):
        raise ValueError(f"it has {len(variables)} variables, and its twin {len(twins)}")
    names = [variable.name for variable in variables]
    if names != [twin.name for twin in twins] and len(set(names)) == len(names):
        # A layer that was given another's variable holds it last.
        twins = sorted(twins, key=lambda twin: names.index(twin.name) if twin.name in names else -1)
    for variable, twin in zip(variables, twins, strict=True):
        twin.assign(change(variable))
        twin._path = variable.path  # A wrapper builds what it wraps under another one.
    for one, other in pairs(old, new):
        if hasattr(other, "finalize_state"):
            other.finalize_state()  # Normalization computes with what it derives from its weights.
        if one.supports_masking != other.supports_masking:
            other.supports_masking = one.supports_masking
        if one.trainable != other.trainable:
            other.trainable = one.trainable
    for variable, twin in zip(variables, twins, strict=True):
        if variable.trainable != twin.trainable:
            twin.trainable = variable.trainable


def pairs(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a layer with its twin, and all layers within them side by side.

    Args:
        old: The layer or operation.
        new: Its twin.
    """
    yield old, new
    inner, twins = getattr(old, "_layers", ()), getattr(new, "_layers", ())
    if len(inner) == len(twins):
        for one, other in zip(inner, twins, strict=True):
            if type(one) is type(other):
                yield from pairs(one, other)


def _variables(layer: keras.Layer) -> list[keras.Variable]:
    """Return weights and states of random numbers, each once."""
    seeds = [one.state for inner in flat_layers(layer) for one in inner._seed_generators]
    return list({id(variable): variable for variable in (*layer.weights, *layer.variables, *seeds)}.values())


def _overrides(layer: keras.Layer, method: str) -> bool:
    return getattr(type(layer), method, None) is not getattr(keras.Layer, method, None)


def _is_other_function(value: Any, mine: Any) -> bool:
    """Return whether two functions differ, but for those that a constructor makes anew each time."""
    if not (isinstance(value, types.FunctionType) and isinstance(mine, types.FunctionType)):
        return False
    return value is not mine and not (value.__closure__ and value.__code__ is mine.__code__)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(one) for key, one in value.items())
    return all(map(_is_plain, value)) if isinstance(value, list | tuple | set) else isinstance(value, _PLAIN)


def _copied(value: Any) -> Any:
    """Copy numbers, arrays and nests of them, without the trackers that Keras puts into lists."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        kind = next(kind for kind in (list, tuple, set) if isinstance(value, kind))
        return kind(map(_copied, value)) if not hasattr(value, "_fields") else copy.copy(value)
    return copy.copy(value)


def _is_same(value: Any, mine: Any, missing: bool) -> bool:
    if missing or type(value) is not type(mine):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype == mine.dtype and np.array_equal(value, mine)
    if isinstance(value, dict):
        return value.keys() == mine.keys() and all(_is_same(value[key], mine[key], False) for key in value)
    if isinstance(value, list | tuple):
        return len(value) == len(mine) and all(
            _is_same(*both, False) for both in zip(value, mine, strict=True)
        )
    return bool(value == mine)
