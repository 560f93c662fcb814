"""Line charts as SVG that takes its colours from the page."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 460.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 24.0, 12.0, 32.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One quantity over epochs, or over another.

    Args:
        label: What it is, for screen readers.
        parts: Stretches of (epoch, value) in rising epochs. One that follows another is of other data and not joined
            to it.
        unit: Written after the numbers of the value axis.
        over: What it is drawn over.
        over_unit: Written after the numbers of that axis.
        css_class: Class of the line; the page's style sheet colours it.
        colour: In place of that colour, as CSS has it.
    """

    label: str
    parts: Sequence[Sequence[tuple[float, float]]]
    unit: str = ""
    over: str = "epoch"
    over_unit: str = ""
    css_class: str = "line"
    colour: str | None = None

    @property
    def points(self) -> list[tuple[float, float]]:
        """All points, stretch after stretch."""
        return [point for part in self.parts for point in part]


def chart(
    line: Line,
    *,
    epochs: tuple[float, float],
    marks: Sequence[tuple[float, str]] = (),
    others: Sequence[Line] = (),
    label: str | None = None,
) -> Markup:
    """Return an inline SVG of one line or several with dots, grid and axis numbers.

    Args:
        line: At least one point.
        epochs: First and last epoch of the axis, so that charts beside each other line up.
        marks: Epochs at which something changed, and what, each drawn as a dashed upright.
        others: Further lines on the same axes.
        label: What is drawn, for screen readers; None takes that of the line.
    """
    low, high, step = nice_axis([value for one in (line, *others) for _, value in one.points])
    first, last = epochs[0], max(epochs[1], epochs[0] + 1)

    def across(epoch: float) -> float:
        return _LEFT + (epoch - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def up(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    box = f"0 0 {_WIDTH:g} {_HEIGHT:g}"
    parts = [f'<svg class="chart" viewBox="{box}" role="img" aria-label="{escape(label or line.label)}">']
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        y = up(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT:g}" x2="{_WIDTH - _RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        text = f"{value:.{_decimals(step)}f}{escape(line.unit)}"
        parts.append(
            f'<text class="number" x="{_LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    for epoch in _whole_ticks(first, last):
        x, y = across(epoch), float(_HEIGHT - 10)
        parts.append(
            f'<text class="number" x="{x:.1f}" y="{y:g}" text-anchor="middle">{epoch}{line.over_unit}</text>'
        )
    for mark, words in marks:
        parts.append(
            f'<path class="mark" d="M{across(mark):.1f} {_TOP:g}V{_HEIGHT - _BOTTOM:g}">'
            f"<title>{escape(words)}</title></path>"
        )
    for one in (line, *others):
        parts += _drawn(one, lambda point: (across(point[0]), up(point[1])))
    parts.append("</svg>")
    return Markup("".join(parts))


def _drawn(line: Line, place: Callable[[tuple[float, float]], tuple[float, float]]) -> Iterator[str]:
    """Yield a line and its dots, each of which says what it stands for."""
    path = "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in map(place, part)) for part in line.parts if part
    )
    stroke, fill = ("", "")
    if line.colour is not None:
        stroke, fill = (f' style="{name}:{escape(line.colour)}"' for name in ("stroke", "fill"))
    yield f'<path class="{line.css_class}"{stroke} d="{path}"/>'
    radius = 2.6 if len(line.points) <= 40 else 1.4
    name = f"{escape(line.label)}, " if line.colour is not None else ""
    for point in line.points:
        (x, y), (at, value) = place(point), point
        yield (
            f'<circle class="{line.css_class}"{fill} cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
            f"<title>{name}{escape(line.over)} {at:.4g}{line.over_unit}: {value:.4g}{escape(line.unit)}</title>"
            "</circle>"
        )


def nice_axis(values: Sequence[float], *, num_steps: int = 4) -> tuple[float, float, float]:
    """Return low end, high end and step of an axis that holds all values, in steps of 1, 2 or 5 times 10^n.

    Args:
        values: At least one finite number.
        num_steps: About how many steps.
    """
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    raw = (high - low) / num_steps
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if raw <= factor * power * (1 + 1e-9))
    return step * math.floor(low / step), step * math.ceil(high / step), step


def _whole_ticks(first: float, last: float) -> list[int]:
    _, _, step = nice_axis((first, last), num_steps=8)
    step = max(1, round(step))
    return list(range(math.ceil(first / step) * step, math.floor(last) + 1, step))


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))
