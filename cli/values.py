"""Types of option values: they turn what was typed into a value, or say what would have been right."""

import json
import math
import re
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stamp_tf.arguments import fault_of_path
from stamp_tf.errors import StampError
from stamp_tf.limits.kind import LimitKind
from stamp_tf.options.fields import shortened
from stamp_tf.seeds import LARGEST_SEED

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# More than anybody waits for, and less than what overflows.
_MOST = 10**6
# One image of this size takes 200 MB in float32.
_LONGEST_SIDE = 4096


class Count(click.IntRange):
    """A whole number in a range that has an end in any case.

    Args:
        min: Smallest.
        max: Largest.
    """

    def __init__(self, min: int = 1, max: int = _MOST) -> None:
        super().__init__(min=min, max=max)


class Seed(Count):
    """A seed as NumPy, Keras and TensorFlow all take it."""

    def __init__(self) -> None:
        super().__init__(0, LARGEST_SEED)


class Number(click.FloatRange):
    """A range of numbers in which NaN, which is neither below nor above any bound, is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class LimitValue(click.ParamType):
    """A limit on cost.

    Args:
        kind: What is limited.
    """

    def __init__(self, kind: LimitKind) -> None:
        self._kind = kind
        self.name = kind.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return self._kind.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class FilePath(click.ParamType):
    """A path with a name that is there and that UTF-8 can write, as reports and TensorFlow do."""

    name = "PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not str(value).strip():
            self.fail("A path must have a name, but is empty; write '.' for this folder.", param, ctx)
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


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return all(map(_is_finite, value))


class BudgetRange(click.ParamType):
    """`LOW:HIGH`, two fractions with 0 < LOW <= HIGH <= 1."""

    name = "LOW:HIGH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in value.split(":"))
        except ValueError:
            low, high = 0.0, 0.0
        if not 0 < low <= high <= 1:
            self.fail(f"{value!r} must be LOW:HIGH with 0 < LOW <= HIGH <= 1, such as 0.06:1.", param, ctx)
        return low, high


class ImageSize(click.ParamType):
    """`N` or `HEIGHTxWIDTH`, as the shape of an RGB image."""

    name = "N|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,9})(?:x([1-9][0-9]{0,9}))?", str(value))
        if match is None:
            self.fail(f"{value!r} must be a size in pixels, such as 32 or 48x64.", param, ctx)
        height, width = int(match[1]), int(match[2] or match[1])
        if max(height, width) > _LONGEST_SIDE:
            self.fail(
                f"{value!r} must be at most {_LONGEST_SIDE} pixels high and wide, such as 32 or 224.",
                param,
                ctx,
            )
        return height, width, 3


def typed() -> str:
    """Return the command as it was typed, for reports and pages."""
    return shlex.join(["stamp-tf", *sys.argv[1:]])
