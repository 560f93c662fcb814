"""The report as files: `report.json` for programs, `report.html` for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from stamp_tf.export.curves import Line, chart
from stamp_tf.export.numbers import compact, duration, factor, percent
from stamp_tf.export.report import CurvePoint, GroupRow, Report
from stamp_tf.export.rows import fold_layers
from stamp_tf.runs import RunDirectory, write_bytes_atomic, write_json_atomic

# Colours run in order from teal to violet, in degrees of hue.
_FIRST_HUE, _LAST_HUE = 172.0, 268.0
_TICK_WIDTH = 0.8


@dataclass(frozen=True)
class Strip:
    """One row of the picture of kept channels: a tick per kept channel on a band as wide as the group."""

    name: str
    size: int
    num_kept: int
    hue: float
    length: float
    ticks: str


def write_report(report: Report, run_directory: RunDirectory) -> None:
    """Write `report.json` and `report.html`, each whole or not at all.

    Args:
        report: The figures.
        run_directory: Where they go; the folder exists.
    """
    page = render_page(report)
    write_json_atomic(run_directory.report_json, report.to_json())
    write_bytes_atomic(run_directory.report_html, page.encode())


def render_page(report: Report) -> str:
    """Return the report as one HTML page that needs nothing else: no script, no font, no link.

    Args:
        report: The figures.
    """
    # The template is read as text, so that it is found inside a zipped package as well.
    source = files("stamp_tf.export").joinpath("page.html").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"compact": compact, "percent": percent, "duration": duration, "factor": factor}
    layers = fold_layers(report.layers)
    largest = {
        quantity: max((getattr(row, f"{quantity}_before") for row in layers), default=1) or 1
        for quantity in ("channels", "params", "flops")
    }
    shown = [name for name, seconds in report.times.items() if seconds > 0]
    return environment.from_string(source).render(
        report=report,
        layers=layers,
        strips=kept_channels(report.groups),
        largest=largest,
        charts=_charts(report.curve),
        phases=[(name, report.times[name], hue) for name, hue in zip(shown, _hues(len(shown)), strict=True)],
        best_speed={kind: _largest_batch(report, kind) for kind in ("inference", "training")},
    )


def kept_channels(groups: Sequence[GroupRow]) -> tuple[Strip, ...]:
    """Lay out the picture of the kept channels (Figure 5 of the paper), one strip per group.

    Args:
        groups: The groups in the network's order.

    Returns:
        Strips of one common scale; `length` is a share of the widest group, `ticks` an SVG path in which
        channel c covers [c, c + 1] across and [0, 1] down.
    """
    widest = max((group.size for group in groups), default=1)
    return tuple(
        Strip(
            name=group.name,
            size=group.size,
            num_kept=len(group.kept),
            hue=hue,
            length=group.size / widest,
            ticks="".join(f"M{channel} 0h{_TICK_WIDTH}v1h-{_TICK_WIDTH}z" for channel in group.kept),
        )
        for group, hue in zip(groups, _hues(len(groups)), strict=True)
    )


def _hues(count: int) -> list[float]:
    step = (_LAST_HUE - _FIRST_HUE) / max(1, count - 1)
    return [round(_FIRST_HUE + index * step, 1) for index in range(count)]


def _charts(curve: Sequence[CurvePoint]) -> list[tuple[str, Markup]]:
    """Draw what has at least two points; a single one is a number, not a curve."""
    accuracy = [(point.epoch, _per_cent(point.test_accuracy)) for point in curve]
    loss = [(point.epoch, point.train_loss) for point in curve]
    lines = (
        ("Test accuracy by epoch", Line("Test accuracy by epoch", _known(accuracy), unit=" %")),
        ("Training loss by epoch", Line("Training loss by epoch", _known(loss), css_class="line second")),
    )
    return [
        (title, chart(line, epochs=(curve[0].epoch, curve[-1].epoch)))
        for title, line in lines
        if len(line.points) >= 2
    ]


def _known(points: Sequence[tuple[int, float | None]]) -> list[tuple[float, float]]:
    return [(epoch, value) for epoch, value in points if value is not None and math.isfinite(value)]


def _per_cent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _largest_batch(report: Report, kind: str) -> object:
    return max(
        (row for row in report.speed if row.kind == kind), key=lambda row: row.batch_size, default=None
    )
