"""Numbers with a unit, as they are typed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from stamp_tf.limits.kind import typed_number


def with_unit(text: str, units: Mapping[str, float]) -> tuple[float, float | None]:
    """Return a number and the factor of its unit, None for no unit; NaN stands for what is neither.

    Args:
        text: What was typed, such as `12 ms`; upper and lower case are alike.
        units: Factor by unit.
    """
    match = re.fullmatch(r"([0-9.eE+-]*[0-9.])\s*([A-Za-zµ]*)", text.strip())
    by_lower_case = {unit.lower(): factor for unit, factor in units.items()}
    unit = "" if match is None else match[2].lower().replace("µ", "u")
    if match is None or (unit and unit not in by_lower_case):
        return math.nan, None
    return typed_number(match[1]), by_lower_case.get(unit)
