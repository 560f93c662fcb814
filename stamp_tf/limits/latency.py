"""The limit on latency."""

from __future__ import annotations

import math

from stamp_tf.limits.kind import Measured, TimedKind
from stamp_tf.limits.units import with_unit
from stamp_tf.quantities import duration

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Latency(TimedKind):
    """Most seconds of an inference step, measured on this device."""

    name = "max_latency"
    quantity = "latency"
    help = "Most time of an inference step, such as 12ms, measured on this machine."
    metavar = "TIME"
    rule = "a time above 0"
    example = "12ms is 0.012 s"
    unit = " s"

    def parse(self, text: str) -> float:
        number, unit = with_unit(text, _SECONDS)
        if unit is not None and 0 < number * unit < math.inf:
            return number * unit
        raise ValueError(
            f"{text!r} must be a time above 0 with a unit, such as 12ms ({', '.join(_SECONDS)})."
        )

    def as_typed(self, value: float) -> str:
        return f"{1e3 * value:g}ms"

    def in_words(self, value: float) -> str:
        return duration(value)

    def measure(self, timing: Measured) -> float:
        return timing.seconds

    def enough(self, timing: Measured) -> str:
        return f"{math.ceil(1e6 * timing.seconds) / 1e3:g}ms"
