"""Types of option values: they turn what was typed into a value, or say what would have been right."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import click

_BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Number(click.FloatRange):
    """A range of numbers in which NaN, which is neither below nor above any bound, is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


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
            return key, json.loads(text)
        except json.JSONDecodeError:
            return key, text


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


class Memory(click.ParamType):
    """A fraction in (0, 1], or a size with a unit; sizes become bytes."""

    name = "FRACTION|SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, unit = _with_unit(value, _BYTES)
        if unit is None and 0 < number <= 1:
            return number
        # A size of one byte would read as the fraction 1.
        if unit is not None and 1 < number * unit < math.inf:
            return number * unit
        self.fail(
            f"{value!r} must be a fraction above 0 and at most 1, or a size with a unit, such as 8MB "
            f"({', '.join(_BYTES)}).",
            param,
            ctx,
        )


class Duration(click.ParamType):
    """A time above 0 with a unit; it becomes seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number, unit = _with_unit(value, _SECONDS)
        if unit is not None and 0 < number * unit < math.inf:
            return number * unit
        self.fail(
            f"{value!r} must be a time above 0 with a unit, such as 12ms ({', '.join(_SECONDS)}).", param, ctx
        )


class ImageSize(click.ParamType):
    """`N` or `HEIGHTxWIDTH`, as the shape of an RGB image."""

    name = "N|HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", str(value))
        if match is None:
            self.fail(f"{value!r} must be a size in pixels, such as 32 or 48x64.", param, ctx)
        height, width = int(match[1]), int(match[2] or match[1])
        return height, width, 3


def _with_unit(text: str, units: Mapping[str, float]) -> tuple[float, float | None]:
    """Return a number and its unit, None for no unit; NaN stands for what is neither."""
    match = re.fullmatch(r"([0-9.eE+-]*[0-9.])\s*([A-Za-zµ]*)", text.strip())
    by_lower_case = {unit.lower(): factor for unit, factor in units.items()}
    unit = "" if match is None else match[2].lower().replace("µ", "u")
    if match is None or (unit and unit not in by_lower_case):
        return math.nan, None
    try:
        return float(match[1]), by_lower_case.get(unit)
    except ValueError:
        return math.nan, None
