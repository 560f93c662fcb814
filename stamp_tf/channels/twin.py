"""Make a second layer like a first one, wider or narrower: by its configuration, or by its parts where that fails."""

import inspect
import random
import types
from collections.abc import Mapping
from typing import Any

import keras

from stamp_tf.channels.state import base_attributes, carry_assets, carry_data, carry_functions, pairs
from stamp_tf.errors import StampError


def make_twin(operation: Any, options: Mapping[str, Any], *, is_touched: bool) -> Any:
    """Return a layer or operation that computes the same with variables of its own, not yet their values.

    Its configuration is the first way. It fails for functions and classes that are not registered, for arrays, for
    a Lambda. Then the constructor is given the very objects that the layer holds; and a layer that loses nothing
    is copied part by part, without constructor.

    Args:
        operation: The layer or operation; it is not changed.
        options: Entries of the configuration that differ.
        is_touched: Whether slices of its weights or some of its options change.

    Raises:
        StampError: If neither way works.
    """
    errors = []
    ways = (by_config, by_parts) if is_touched else (by_config, by_parts, by_copy)
    for way in ways:
        try:
            twin = way(operation, options)
            carry_functions(operation, twin)
            for layer, other in pairs(operation, twin):
                other.name = layer.name  # Constructors let Keras number the layers within.
            if not is_touched and not getattr(operation, "variables", ()):
                # Before the first call: they may decide on the shape of what is written.
                carry_data(operation, twin)
                if way is not by_copy:
                    carry_assets(operation, twin)
            return twin
        # A layer of somebody else's may raise anything.
        except Exception as error:
            errors.append(error)
    raise StampError(
        f"Every layer must be rebuilt from its configuration, but {operation.name} "
        f"({type(operation).__name__}) gave {why(errors[0])}; mend its get_config."
    ) from errors[0]


def why_not_rebuilt(operation: Any) -> str | None:
    """Return in words why a layer cannot be rebuilt with other widths; None if it can be.

    Args:
        operation: The layer or operation.
    """
    # A constructor draws seeds, and looking must not change what is drawn next.
    state = random.getstate()
    try:
        make_twin(operation, {}, is_touched=True)
    except StampError as error:
        return f"it cannot be rebuilt: {why(error.__cause__ or error)}"
    finally:
        random.setstate(state)
    return None


def why(error: BaseException) -> str:
    """Return an error on one line.

    Args:
        error: Any.
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def by_config(operation: Any, options: Mapping[str, Any]) -> Any:
    """Build it from its configuration, as Keras loads it.

    Args:
        operation: The layer or operation.
        options: Entries of the configuration that differ.
    """
    return type(operation).from_config(operation.get_config() | dict(options))


def by_parts(operation: Any, options: Mapping[str, Any]) -> Any:
    """Call the constructor with the objects that the layer holds in place of their configurations.

    Args:
        operation: The layer or operation.
        options: Entries of the configuration that differ.
    """
    arguments = dict(_config_of(operation))
    for name, value in arguments.items():
        held = getattr(operation, name, None)
        if name == "dtype":
            arguments[name] = operation.dtype_policy
        elif isinstance(held, keras.Layer):
            arguments[name] = make_twin(held, {}, is_touched=False)
        elif isinstance(value, dict) or callable(held):
            arguments[name] = held
    return type(operation)(**arguments | dict(options))


def _config_of(operation: Any) -> dict[str, Any]:
    """Return the configuration, or where it cannot be told the constructor's arguments by name."""
    try:
        return dict(operation.get_config())
    except Exception:
        names = [*inspect.signature(type(operation).__init__).parameters][1:]
        names += ["name", "trainable", "dtype"] if isinstance(operation, keras.Layer) else ["name"]
        return {name: getattr(operation, name) for name in names if hasattr(operation, name)}


def by_copy(operation: Any, options: Mapping[str, Any]) -> Any:
    """Fill a bare object of the same class with copies of all that the layer holds.

    Args:
        operation: The layer or operation.
        options: Entries of the configuration that differ; none do.
    """
    return _Copy().of(operation)


class _Copy:
    """Copies layers with what they hold; what is held twice is copied once."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}

    def of(self, operation: Any) -> Any:
        """Return the copy of a layer or operation."""
        if id(operation) in self._copies:
            return self._copies[id(operation)]
        kind: Any = type(operation)
        copy = kind.__new__(kind)
        self._copies[id(operation)] = copy
        if not isinstance(operation, keras.Layer):
            keras.Operation.__init__(copy, name=operation.name)
        else:
            keras.Layer.__init__(
                copy, name=operation.name, trainable=operation.trainable, dtype=operation.dtype_policy
            )
            # In the order in which the layer made them, which is that of its weights.
            for variable in (*operation._trainable_variables, *operation._non_trainable_variables):
                copy._track_variable(self._value(variable))
        for name, value in vars(operation).items():
            if name not in base_attributes():
                setattr(copy, name, self._value(value))
        # What Keras noted of the constructor's arguments; a bare object has their defaults.
        if (noted := getattr(operation, "_auto_config", None)) is not None:
            object.__setattr__(copy, "_auto_config", noted)
        if isinstance(operation, keras.Layer):
            copy.built, copy._path = operation.built, operation._path
            copy._build_shapes_dict = operation._build_shapes_dict
        return copy

    def _value(self, value: Any) -> Any:
        if isinstance(value, keras.Variable):
            if id(value) not in self._copies:
                self._copies[id(value)] = _variable_like(value)
            return self._copies[id(value)]
        if isinstance(value, keras.Model):
            raise TypeError(f"It holds a model, {value.name}, which cannot be copied.")
        if isinstance(value, keras.Layer):
            return self.of(value)
        if isinstance(value, keras.random.SeedGenerator):
            if id(value) not in self._copies:
                self._copies[id(value)] = keras.random.SeedGenerator(value.get_config()["seed"])
            return self._copies[id(value)]
        if isinstance(value, types.MethodType) and id(value.__self__) in self._copies:
            return types.MethodType(value.__func__, self._copies[id(value.__self__)])
        if isinstance(value, dict):
            return {key: self._value(one) for key, one in value.items()}
        if type(value) is tuple:
            return tuple(self._value(one) for one in value)
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return value


def _variable_like(variable: keras.Variable) -> keras.Variable:
    twin = keras.Variable(
        keras.ops.convert_to_numpy(variable),
        dtype=variable.dtype,
        trainable=variable.trainable,
        autocast=variable._autocast,
        aggregation=variable.aggregation,
        name=variable.name,
    )
    twin._path = variable.path
    twin.regularizer, twin.constraint = variable.regularizer, variable.constraint
    return twin
