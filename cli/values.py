"""Types of option values: they turn what was typed into a value, or say what would have been right."""

import json
import math
import re
from typing import Any

import click


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
