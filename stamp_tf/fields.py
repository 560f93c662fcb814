"""Options that come from Python: known by name, of the type that their annotation says."""

import dataclasses
import math
import numbers
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from stamp_registry import did_you_mean
from stamp_tf.errors import StampError

Config = TypeVar("Config")


def overridden(config: Config | None, overrides: Mapping[str, Any], *, kind: type[Config]) -> Config:
    """Return options with some of their fields replaced.

    Args:
        config: The options; None takes the defaults.
        overrides: Field -> value.
        kind: The class of the options, a dataclass.

    Raises:
        StampError: If there is no such field, or a value does not fit.
    """
    if config is None:
        config = kind()
    if not isinstance(config, kind):
        raise StampError(
            f"config must be a {kind.__name__}, but is {_received(config)}; give {kind.__name__}(...), or its "
            "fields as arguments."
        )
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in overrides:
        if name not in fields:
            raise StampError(
                f"There is no argument {name!r}; fields of {kind.__name__}: {', '.join(fields)}."
                f"{_inner(kind, name) or did_you_mean(name, fields)}"
            )
    return dataclasses.replace(config, **overrides)  # type: ignore[type-var]


def check_fields(config: Any) -> None:
    """Refuse fields of another type than annotated; turn numbers of NumPy and lists into what is meant.

    Args:
        config: A frozen dataclass; to be called first in its `__post_init__`.

    Raises:
        StampError: If a field has another type; it names the field.
    """
    # A class is hashable, whatever its objects are.
    hints = _hints(cast("Hashable", type(config)))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        fitting = _fit(value, hints[field.name])
        if fitting is _NONE_FITS:
            raise StampError(
                f"{field.name} must be {_in_words(hints[field.name])}, but is {_received(value)}; "
                f"{_remedy(value, field)}."
            )
        object.__setattr__(config, field.name, fitting)


def as_path(value: Any, argument: str) -> Path:
    """Return a path that came from Python.

    Args:
        value: What was given.
        argument: Its name.

    Raises:
        StampError: If it names no place.
    """
    if not isinstance(value, str | os.PathLike) or not str(value).strip() or "\0" in str(value):
        raise StampError(
            f"{argument} must be a path, but is {_received(value)}; write for example 'runs/mine'."
        )
    return Path(value)


def is_number(value: object) -> TypeGuard[float]:
    """Whether something is a finite number, and no truth value."""
    return _fit_number(value) is not _NONE_FITS


def check_least(**fields: tuple[float, float]) -> None:
    """Refuse numbers below the least that they may be.

    Args:
        **fields: Name -> (value, least).

    Raises:
        StampError: If one is; it names the field.
    """
    for name, (value, least) in fields.items():
        if value < least:
            raise StampError(
                f"--{name.replace('_', '-')} must be at least {least:g}, but is {value:g}; give a larger number."
            )


_NONE_FITS = object()


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _fit(value: Any, hint: Any) -> Any:
    """Return the value as the annotation has it, or `_NONE_FITS`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return next((fit for one in arguments if (fit := _fit(value, one)) is not _NONE_FITS), _NONE_FITS)
    if origin is Literal:
        return value if isinstance(value, str) and value in arguments else _NONE_FITS
    if origin is tuple:
        return _fit_tuple(value, arguments)
    if hint is bool:
        # NumPy's truth values are no bool.
        return bool(value) if type(value).__name__ in ("bool", "bool_") else _NONE_FITS
    if hint is int:
        is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return int(value) if is_whole else _NONE_FITS
    if hint is float:
        return _fit_number(value)
    kind = NoneType if hint is None else origin or hint
    if kind is Sequence and isinstance(value, str):
        return _NONE_FITS
    return value if hint is Any or isinstance(value, kind) else _NONE_FITS


def _fit_number(value: Any) -> Any:
    if type(value) is bool or not isinstance(value, numbers.Real):
        return _NONE_FITS
    try:
        number = float(value)
    except OverflowError:
        return _NONE_FITS
    return number if math.isfinite(number) else _NONE_FITS


def _fit_tuple(value: Any, arguments: tuple[Any, ...]) -> Any:
    if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
        return _NONE_FITS
    values = tuple(value)
    kinds = (arguments[0],) * len(values) if arguments[-1] is Ellipsis else arguments
    if len(kinds) != len(values):
        return _NONE_FITS
    fitting = tuple(_fit(one, kind) for one, kind in zip(values, kinds, strict=True))
    return _NONE_FITS if any(one is _NONE_FITS for one in fitting) else fitting


def _in_words(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_in_words, arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list, each {_in_words(arguments[0])}"
        return f"{len(arguments)} values, each {_in_words(arguments[0])}"
    if origin is Sequence:
        return f"a list, each {_in_words(arguments[0])}"
    if origin is Mapping:
        return "a dict"
    words = {bool: "True or False", int: "a whole number", float: "a finite number", str: "text"}
    return words.get(hint) or getattr(hint, "__name__", str(hint)).replace("NoneType", "None")


def _received(value: Any) -> str:
    text = " ".join(repr(value).split())
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{shown} ({type(value).__name__})"


def _remedy(value: Any, field: dataclasses.Field[Any]) -> str:
    if isinstance(value, str) and (percent := re.fullmatch(r"\s*([0-9.]+)\s*%\s*", value)):
        return f"write {float(percent[1]) / 100:g}"
    if field.default is not dataclasses.MISSING:
        return f"{field.default!r} is the default"
    return "leave it out for the default"


def _inner(kind: type, name: str) -> str:
    """Say in which field's own fields a name is found, such as `finetune=FinetuneConfig(epochs=...)`."""
    for field in dataclasses.fields(kind):
        inner = _hints(kind)[field.name]
        if dataclasses.is_dataclass(inner) and name in [one.name for one in dataclasses.fields(inner)]:
            return f" Did you mean {field.name}={field.type}({name}=...)?"
    return ""
