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
        percent = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?)\s*(%?)\s*", text)
        if percent and (percent[2] or 1 < float(percent[1]) <= 100):
            raise ValueError(
                f"{text!r} must be {self.rule}; write {float(percent[1]) / 100:g} for {percent[1]} %."
            )
        if not self.is_in_range(number := typed_number(text)):
            raise ValueError(f"{text!r} must be {self.rule}; {self.example}.")
        return number

    def as_typed(self, value: float) -> str:
        return f"{value:g}"

    def in_report(self, value: float) -> float:
        return value


def rounded_up(fraction: float) -> str:
    """Return a fraction that a limit meets, however it is rounded."""
    return f"{math.ceil(fraction * 1e5) / 1e5:.5f}"
