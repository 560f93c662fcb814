"""Which pixels a network expects, from what it does to them before it looks at more than one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from stamp_tf.references.pixels.stage import Line, arrivals, lines
from stamp_tf.references.pixels.statistics import scales_of_statistics

_CLOSE = 0.02


@dataclass(frozen=True, kw_only=True)
class FoundScale:
    """What a network says of its pixels.

    Args:
        pixels: `0:255`, `0:1` or `-1:1`; None if it says nothing.
        is_certain: Whether no other scale would make sense, but for the rivals.
        formula: What it computes of a pixel x, such as `x / 127.5 - 1`; empty if nothing.
        rivals: Other scales that the mean and deviation it holds would fit as well.
    """

    pixels: str | None = None
    is_certain: bool = False
    formula: str = ""
    rivals: tuple[str, ...] = ()


def find_scale(model: keras.Model) -> FoundScale:
    """Return which pixels a network expects.

    Its input is followed through all that acts on each pixel alone. What arrives at the first kernels behind is a
    line, `slope * x + offset`, for each depth, and a network is trained on numbers of about unit size around 0 or
    within [0, 1]. So it expects

    - `0:255`, if 0 is made of a pixel between 8 and 256 (a mean is taken off), or [0, 255] is brought to numbers
      below 16 (division by 255 or 127.5), or the input holds whole numbers;
    - `0:1`, if 0 is made of a pixel within (0, 1] (x * 2 - 1, a mean and deviation of pixels in [0, 1]), or pixels
      are multiplied by 32 or more;
    - `-1:1`, if 0 is made of -1.

    It is not certain where the line fits another scale as well, where weights that training changes lie on the way, or
    where two kernels get different pixels. A line that changes nothing, or a factor near 1, says nothing. A mean and
    deviation that were measured on images may be those of several scales: see `scales_of_statistics`.

    Args:
        model: A functional model of one image `[B, H, W, D]`.
    """
    if not keras.backend.is_float_dtype(model.inputs[0].dtype):
        return FoundScale(pixels="0:255", is_certain=True, formula=f"an input of {model.inputs[0].dtype}")
    arrived = arrivals(model)
    arrived = tuple(each for each in arrived if each.has_kernel) or arrived
    verdicts: list[FoundScale] = []
    for each in arrived:
        found = list(lines(each))
        known = [line for line in found if line is not None]
        if not known:
            continue
        scales = {expected_pixels(line) for line in known}
        names = {name for name, _ in scales}
        pixels = names.pop() if len(names) == 1 else None
        possible = scales_of_statistics(known) if each.is_measured else (pixels,)
        if pixels not in possible and possible:
            pixels = None
        rivals = tuple(name for name in possible if name not in (pixels, None))
        is_certain = (
            bool(possible)
            and pixels is not None
            and len(known) == len(found)
            and not each.is_learnt
            and all(sure for _, sure in scales)
        )
        verdicts.append(
            FoundScale(pixels=pixels, is_certain=is_certain, formula=in_words(known), rivals=rivals)
        )
    telling = list(dict.fromkeys(verdict for verdict in verdicts if verdict.pixels))
    if not telling:
        return FoundScale()
    if len({verdict.pixels for verdict in telling}) > 1:
        return FoundScale(formula=" and ".join(verdict.formula for verdict in telling))
    # A kernel that sees the bare pixels beside one that does not leaves a doubt.
    return FoundScale(
        pixels=telling[0].pixels,
        is_certain=all(verdict.is_certain and verdict.pixels for verdict in verdicts),
        formula=telling[0].formula,
        rivals=tuple(
            name for name in telling[0].rivals if all(name in verdict.rivals for verdict in telling)
        ),
    )


def expected_pixels(line: Line) -> tuple[str | None, bool]:
    """Return which pixels a line is made for, and whether no others would make sense.

    Args:
        line: What the network makes of a pixel.
    """
    zero, unit = line.zero, line.unit
    ends = (line.offset, line.offset + 255 * line.slope)
    if line.is_whole and (8 < zero <= 256 or (16 <= unit <= 600 and max(map(abs, ends)) <= 16)):
        # Digits of 16 grey levels are divided by 16, too.
        return "0:255", zero > 8 or max(map(abs, ends)) <= 8
    if abs(zero + 1) < _CLOSE and abs(unit - 1) > _CLOSE:
        return "-1:1", True
    if abs(zero - 0.5) < _CLOSE and unit <= 1 + _CLOSE:
        return "0:1", True  # x - 0.5 or x * 2 - 1
    if abs(zero - 1) < _CLOSE and abs(unit - 1) < _CLOSE and line.slope < 0:
        return "0:1", True  # 1 - x
    if 0.02 < zero < 1 and unit <= 0.6:
        # A mean and deviation; bright pixels of [-1, 1] might have them, too, if they are not those of photographs.
        return "0:1", 0.1 <= zero <= 0.8 and unit <= 0.45
    if 0.2 < zero < 0.8 and abs(unit - 1) < _CLOSE:
        return "0:1", True  # A mean alone.
    if abs(zero) < _CLOSE and unit <= 1 / 32:
        return "0:1", True
    if -1 < zero < 0 and 0.3 <= unit <= 0.8:
        return "-1:1", False
    return None, False


def in_words(found: Sequence[Line]) -> str:
    """Return a formula for what becomes of a pixel x, with three figures or more.

    Args:
        found: One line a depth.
    """
    zeros, units = [line.zero for line in found], [line.unit for line in found]
    if len(found) == 1 or (np.ptp(zeros) < 1e-6 and np.ptp(units) < 1e-6):
        (slope, offset), unit = (found[0].slope, found[0].offset), units[0]
        sign = "-" if slope < 0 else ""
        scaled = f"{sign}x" if abs(unit - 1) < 1e-6 else f"{sign}x / {unit:.4g}"
        if unit < 1 - 1e-6:
            scaled = f"x * {slope:.4g}"
        if abs(offset) < 1e-6:
            return scaled
        return f"{scaled} {'-' if offset < 0 else '+'} {abs(offset):.4g}"
    mean = f"(x - {_row(zeros)})"
    return mean if max(abs(unit - 1) for unit in units) < 1e-6 else f"{mean} / {_row(units)}"


def _row(values: Sequence[Any]) -> str:
    """Return one number where all are alike, else all of the first few."""
    if np.ptp(values) < 1e-6:
        return f"{values[0]:.4g}"
    more = ", ..." if len(values) > 3 else ""
    return f"({', '.join(f'{value:.4g}' for value in values[:3])}{more})"
