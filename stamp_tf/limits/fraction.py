"""Limits that are a fraction of the full network."""

from __future__ import annotations

import math
import re

from stamp_tf.limits.kind import CountedKind, typed_number


class FractionKind(CountedKind):
    """A limit above 0 and at most 1."""

    metavar = "FRACTION"
    rule = "a fraction above 0 and at most 1"
    example = "0.25 leaves a quarter of the full network"

    def is_in_range(self, value: float) -> bool:
        return 0 < value <= 1

    def parse(self, text: str) -> float:
        number = number_or_percent(text)
        if number is not None and 1 < number <= 100 and "%" not in text:
            raise ValueError(f"{text!r} must be {self.rule}; write {number / 100:g} or {number:g}%.")
        if number is None:
            number = typed_number(text)
        if not self.is_in_range(number):
            raise ValueError(f"{text!r} must be {self.rule}, or in per cent; 25% or {self.example}.")
        return number

    def as_typed(self, value: float) -> str:
        return f"{value:g}"

    def in_report(self, value: float) -> float:
        return value


def number_or_percent(text: str) -> float | None:
    """Return a number that is written as it is or in per cent, such as `0.1` or `10%`; None where it is neither.

    Args:
        text: What was typed.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)\s*(%?)\s*", text)
    return float(match[1]) / (100 if match[2] else 1) if match else None


def rounded_up(fraction: float) -> str:
    """Return a fraction that a limit meets, however it is rounded."""
    return f"{math.ceil(fraction * 1e5) / 1e5:.5f}"
