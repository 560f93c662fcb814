"""The reliability diagram of Guo et al. 2017: how often a network is right, by how sure it is."""

from __future__ import annotations

from markupsafe import Markup

from stamp_tf.measure.calibration import Calibration
from stamp_tf.quantities import percent

_SIDE, _LEFT, _BOTTOM, _MARGIN = 200.0, 46.0, 40.0, 14.0
_TICKS = (0, 25, 50, 75, 100)


def reliability_diagram(calibration: Calibration) -> Markup:
    """Return an inline SVG: a bar for each bin, as high as its accuracy, and a dash where its confidence is.

    Args:
        calibration: The figures.
    """
    width, height = _LEFT + _SIDE + _MARGIN, _MARGIN + _SIDE + _BOTTOM
    label = f"Accuracy by confidence; expected calibration error {percent(calibration.error)}"
    parts = [f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">']
    for tick in _TICKS:
        x, y = _across(tick / 100), _up(tick / 100)
        parts.append(
            f'<line class="grid" x1="{_LEFT:g}" x2="{_LEFT + _SIDE:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="number" x="{_LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{tick} %</text>'
            f'<text class="number" x="{x:.1f}" y="{_up(0) + 16:.1f}" text-anchor="middle">{tick}</text>'
        )
    for one in calibration.bins:
        left, right = _across(one.low) + 0.7, _across(one.high) - 0.7
        span = f"{100 * one.low:.0f} to {100 * one.high:.0f} %"
        words = (
            f"{one.images:,} image{'' if one.images == 1 else 's'} {span} sure: {percent(one.confidence)} on average, "
            f"{percent(one.accuracy)} right"
        )
        parts.append(
            f"<g><title>{words}</title>"
            f'<rect class="bin" x="{left:.1f}" width="{right - left:.1f}" '
            f'y="{_up(one.accuracy):.1f}" height="{_up(0) - _up(one.accuracy):.1f}"/>'
            f'<path class="sure" d="M{left:.1f} {_up(one.confidence):.1f}H{right:.1f}"/></g>'
        )
    parts.append(
        f'<path class="mark" d="M{_across(0):g} {_up(0):g}L{_across(1):g} {_up(1):g}"/>'
        f'<text class="number" x="{_across(0.5):g}" y="{height - 4:g}" text-anchor="middle">'
        "probability of the answer, %</text></svg>"
    )
    return Markup("".join(parts))


def _across(share: float) -> float:
    return _LEFT + share * _SIDE


def _up(share: float) -> float:
    return _MARGIN + (1 - share) * _SIDE
