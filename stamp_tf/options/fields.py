"""Options that come from Python: known by name, of the type that their annotation says."""

import dataclasses
import math
import numbers
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from stamp_registry import did_you_mean
from stamp_tf.errors import StampError
from stamp_tf.options.option import option_of

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
            f"config must be a {kind.__name__}, but is {received(config)}; give {kind.__name__}(...), or its "
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


def check_fields(config: Any, *, place: str | None = None) -> None:
    """Refuse fields of another type than annotated or out of range; turn numbers of NumPy and lists into what is meant.

    Args:
        config: A frozen dataclass, its ranges given by `option`; to be called first in its `__post_init__`.
        place: The argument whose keys the fields are, such as `options`; None where each is an argument.

    Raises:
        StampError: If a field has another type or range; it names the field.
    """
    # A class is hashable, whatever its objects are.
    hints = _hints(cast("Hashable", type(config)))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = field.name if place is None else f"`{place}.{field.name}`"
        fitting = fit(value, hints[field.name])
        if fitting is NONE_FITS:
            raise StampError(
                f"{name} must be {in_words(hints[field.name])}, but is {received(value)}; "
                f"{_remedy(value, field)}."
            )
        _check_range(fitting, field, name=name)
        object.__setattr__(config, field.name, fitting)


def _check_range(value: Any, field: dataclasses.Field[Any], *, name: str) -> None:
    """Refuse a number out of the range of its option, or a list with one."""
    said = option_of(field)
    for number in value if isinstance(value, tuple) else (value,):
        if said.rule and is_number(number) and not said.allows(number):
            if field.default is None or field.default is dataclasses.MISSING:
                remedy = "leave it out" if said.usual is None else f"{said.usual:g} is usual"
            else:
                remedy = f"{field.default!r} is the default"
            raise StampError(f"{name} must be {said.rule}, but is {value!r}; {remedy}.")


def is_number(value: object) -> TypeGuard[float]:
    """Whether something is a finite number, and no truth value."""
    return _fit_number(value) is not NONE_FITS


NONE_FITS = object()
"""What `fit` returns where a value is of another type."""


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def fit(value: Any, hint: Any) -> Any:
    """Return a value as an annotation has it, or `NONE_FITS`.

    Args:
        value: What was given.
        hint: The annotation.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return next((found for one in arguments if (found := fit(value, one)) is not NONE_FITS), NONE_FITS)
    if origin is Literal:
        return value if isinstance(value, str) and value in arguments else NONE_FITS
    if origin is tuple:
        return _fit_tuple(value, arguments)
    if hint is bool:
        # NumPy's truth values are no bool.
        return bool(value) if type(value).__name__ in ("bool", "bool_") else NONE_FITS
    if hint is int:
        is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return int(value) if is_whole else NONE_FITS
    if hint is float:
        return _fit_number(value)
    kind = NoneType if hint is None else origin or hint
    if kind is Sequence and isinstance(value, str):
        return NONE_FITS
    return value if hint is Any or isinstance(value, kind) else NONE_FITS


def _fit_number(value: Any) -> Any:
    if type(value) is bool or not isinstance(value, numbers.Real):
        return NONE_FITS
    try:
        number = float(value)
    except OverflowError:
        return NONE_FITS
    return number if math.isfinite(number) else NONE_FITS


def _fit_tuple(value: Any, arguments: tuple[Any, ...]) -> Any:
    if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
        return NONE_FITS
    values = tuple(value)
    kinds = (arguments[0],) * len(values) if arguments[-1] is Ellipsis else arguments
    if len(kinds) != len(values):
        return NONE_FITS
    fitting = tuple(fit(one, kind) for one, kind in zip(values, kinds, strict=True))
    return NONE_FITS if any(one is NONE_FITS for one in fitting) else fitting


def in_words(hint: Any) -> str:
    """Return what values of an annotation are called."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(in_words, arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list, each {in_words(arguments[0])}"
        return f"{len(arguments)} values, each {in_words(arguments[0])}"
    if origin is Sequence:
        return f"a list, each {in_words(arguments[0])}"
    if origin is Mapping:
        return "a dict"
    if origin is Callable:
        return "a function"
    words = {bool: "True or False", int: "a whole number", float: "a finite number", str: "text"}
    return words.get(hint) or getattr(hint, "__name__", str(hint)).replace("NoneType", "None")


def received(value: Any) -> str:
    """Return a value as a message shows it, with its type."""
    return f"{shortened(' '.join(repr(value).split()))} ({type(value).__name__})"


def shortened(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= 60 else f"{text[:57]}..."


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
