"""Types of option values: they turn what was typed into a value, or say what would have been right."""

import json
import math
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stamp_registry import RegistryError, did_you_mean, find, names
from stamp_tf.arguments import fault_of_path
from stamp_tf.errors import StampError
from stamp_tf.options.fields import shortened
from stamp_tf.options.option import Form, Option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# More than anybody waits for, and less than what overflows.
_MOST = 10**6


class Count(click.IntRange):
    """A whole number in a range that has an end in any case.

    Args:
        min: Smallest.
        max: Largest; None is more than anybody waits for.
    """

    def __init__(self, min: int = 1, max: int | None = None) -> None:
        super().__init__(min=min, max=_MOST if max is None else max)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            int(value)
        except ValueError:
            words = f"{shortened(repr(value))} must be a whole number from {self.min} to {self.max}"
            self.fail(f"{words}; write one in digits.", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A range of numbers in which NaN, which is neither below nor above any bound, is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            float(value)
        except ValueError:
            self.fail(f"{shortened(repr(value))} must be a number; write one such as 0.5.", param, ctx)
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class FilePath(click.ParamType):
    """A path with a name that is there and that UTF-8 can write, as reports and TensorFlow do."""

    name = "PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not str(value).strip():
            self.fail("A path must have a name, but is empty; give one.", param, ctx)
        if (fault := fault_of_path(str(value))) is not None:
            reason, remedy = fault
            self.fail(f"{shortened(repr(str(value)))} must be a path, but {reason}; {remedy}.", param, ctx)
        return Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list["CompletionItem"]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


class Name(click.ParamType):
    """A word that is not empty.

    Args:
        such_as: An example.
    """

    name = "text"

    def __init__(self, such_as: str) -> None:
        self._such_as = such_as

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip():
            self.fail(f"It must not be empty; write for example {self._such_as}.", param, ctx)
        return str(value)


class KeyValue(click.ParamType):
    """`KEY=VALUE`, the value read as JSON where it is JSON, else as text."""

    name = "KEY=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not equals or not key.isidentifier():
            self.fail(f"{value!r} must be KEY=VALUE, such as num_heads=4.", param, ctx)
        try:
            found = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            found = text
        except ValueError:  # a whole number of more digits than Python reads
            found = math.inf
        if not _is_finite(found):
            self.fail(f"{value!r} must hold finite numbers, such as width=0.5.", param, ctx)
        return key, found


def as_options(pairs: Iterable[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Return options that came one by one as a mapping.

    Args:
        pairs: Each a key and its value.
        option: What they were typed after.

    Raises:
        StampError: If a key comes twice.
    """
    options: dict[str, Any] = {}
    for key, value in pairs:
        if key in options:
            raise StampError(f"{option} {key} must be given once, but came twice; leave one of them out.")
        options[key] = value
    return options


def check_counts(options: Mapping[str, Any], known: Mapping[str, Option], option: str) -> None:
    """Refuse whole numbers beyond those that flags take, where an option names no largest one itself.

    Args:
        options: What was given.
        known: What each says of itself.
        option: What they were typed after.

    Raises:
        StampError: If one is too large.
    """
    for name, value in options.items():
        if isinstance(value, int) and known[name].most is None and value > _MOST:
            raise StampError(
                f"{option} {name} must be at most {_MOST:,} on the command line, but is {value:,}; write fewer."
            )


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return all(map(_is_finite, value))


class Written(click.ParamType):
    """A value that is no plain number, word or path.

    Args:
        form: How it is written.
    """

    def __init__(self, form: Form) -> None:
        self.name = form.metavar
        self._form = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if ctx is not None and param is not None:
            typed_texts(ctx)[param.name or ""] = value
        try:
            return self._form.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def typed_texts(ctx: click.Context) -> dict[str, str | list[str]]:
    """Return what was typed for options whose values are written in a form of their own, or in a list, by parameter.

    Args:
        ctx: Of the command.
    """
    texts: dict[str, str | list[str]] = ctx.meta.setdefault("stamp_cli.typed_texts", {})
    return texts


class OneOf(click.Choice[str]):
    """One of some words; a mistyped one gets the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), list(self.choices))


class OneOrMore(click.ParamType):
    """A value, or several with commas between them: a tuple of those.

    Args:
        one: How each is read.
    """

    def __init__(self, one: click.ParamType) -> None:
        self.one = one
        self.name = f"{one.name}[,...]"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.one.get_metavar(param, ctx) or self.one.name}[,...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or "," not in value:
            return self.one.convert(value, param, ctx)
        parts = [part.strip() for part in value.split(",")]
        if not all(parts):
            self.fail(f"{shortened(repr(value))} must hold a value before and after each comma.", param, ctx)
        values = tuple(self.one.convert(part, param, ctx) for part in parts)
        if ctx is not None and param is not None:
            typed_texts(ctx)[param.name or ""] = parts
        return values

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list["CompletionItem"]:
        return self.one.shell_complete(ctx, param, incomplete)


class RegisteredName(click.ParamType):
    """The name of a plug-in, checked at once without importing it.

    Args:
        group: The entry-point group it must be declared in.
    """

    name = "name"

    def __init__(self, group: str) -> None:
        self.group = group

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(names(self.group))}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return find(self.group, value).name
        except RegistryError as error:
            if "," in value and param is not None and param.multiple:
                self.fail(f"{value!r} must be one name; repeat {param.opts[0]} for each.", param, ctx)
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list["CompletionItem"]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in names(self.group) if name.startswith(incomplete)]


def typed() -> str:
    """Return the command as it was typed, for reports and pages."""
    return shlex.join(["stamp-tf", *sys.argv[1:]])
