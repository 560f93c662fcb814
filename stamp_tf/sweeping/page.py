"""The report of a sweep as files: `report.json` for programs, `report.html` for people."""

from __future__ import annotations

from stamp_tf.report.curves import Line, chart
from stamp_tf.report.strips import hues
from stamp_tf.report.template import render
from stamp_tf.storage.files import write_bytes_atomic
from stamp_tf.storage.records import write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.sweeping.outcome import Sweep


def write_sweep(sweep: Sweep, run_directory: RunDirectory) -> None:
    """Write `report.html` and `report.json`, in this order and each whole or not at all.

    Args:
        sweep: The figures.
        run_directory: Where they go; the folder exists.
    """
    write_bytes_atomic(run_directory.report_html, render_sweep(sweep).encode())
    # Last, because it says that the sweep is finished.
    write_json_atomic(run_directory.report_json, sweep.to_json())


def render_sweep(sweep: Sweep) -> str:
    """Return the table and the picture of a sweep as one page, with links to the reports of its runs beside it.

    Args:
        sweep: The figures.
    """
    methods = list(dict.fromkeys(run.method for run in sweep.runs))
    colours = {
        method: f"hsl({hue:g} 46% var(--tick))"
        for method, hue in zip(methods, hues(len(methods)), strict=True)
    }
    full = Line(
        label=sweep.full_name,
        parts=[[(100.0, 100 * sweep.full_accuracy)]],
        unit=" %",
        over="FLOPs",
        over_unit=" %",
        colour="var(--soft)",
    )
    lines = [_line(sweep, method, colour) for method, colour in colours.items()]
    first = min(at for line in lines for at, _ in line.points)
    return render(
        "sweep.html",
        sweep=sweep,
        colours=colours,
        has_latency=any(run.latency is not None for run in sweep.runs),
        picture=chart(full, epochs=(first, 100.0), others=lines, label="Test accuracy by FLOPs left"),
    )


def _line(sweep: Sweep, method: str, colour: str) -> Line:
    """Return the networks of one method, by their FLOPs."""
    points = sorted(
        (100 * run.flops_fraction, 100 * run.test_accuracy) for run in sweep.runs if run.method == method
    )
    return Line(label=method, parts=[points], unit=" %", over="FLOPs", over_unit=" %", colour=colour)
