"""The report as files: `report.json` for programs, `report.html` for people."""

import logging
import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from stamp_tf.options.compression import parts_of
from stamp_tf.report.card import render_card
from stamp_tf.report.curves import Line, chart
from stamp_tf.report.history import parts_of_one_data
from stamp_tf.report.reliability import reliability_diagram
from stamp_tf.report.report import Report
from stamp_tf.report.rows import fold_layers
from stamp_tf.report.snippets import snippet
from stamp_tf.report.strips import hues, kept_channels
from stamp_tf.report.template import render
from stamp_tf.report.thumbnails import thumbnail, thumbnails_in
from stamp_tf.storage.card import is_users
from stamp_tf.storage.files import write_bytes_atomic
from stamp_tf.storage.records import write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.training.epoch_record import EpochRecord

logger = logging.getLogger(__name__)


def write_report(
    report: Report, run_directory: RunDirectory, *, pictures: Sequence[np.ndarray] | None = ()
) -> None:
    """Write `README.md`, `report.html` and `report.json`, in this order and each whole or not at all.

    A model card that the user wrote, or took over, stays.

    Args:
        report: The figures.
        run_directory: Where they go; the folder exists.
        pictures: As in `render_page`; None keeps those of the page that is there.
    """
    shown: Sequence[np.ndarray] | Sequence[str] = pictures or ()
    if pictures is None and run_directory.report_html.exists():
        shown = thumbnails_in(run_directory.report_html.read_text("utf-8"))
    page = render_page(report, pictures=shown)
    if is_users(run_directory.card):
        logger.info("%s stays as it is, as no run wrote it or you took it over.", run_directory.card)
    else:
        write_bytes_atomic(run_directory.card, render_card(report).encode())
    write_bytes_atomic(run_directory.report_html, page.encode())
    # Last, because it says that the run is finished.
    write_json_atomic(run_directory.report_json, report.to_json())


def render_page(report: Report, *, pictures: Sequence[np.ndarray] | Sequence[str] = ()) -> str:
    """Return the report as one HTML page that needs nothing else: no script, no font, no link.

    Args:
        report: The figures.
        pictures: Of the mistakes in `report.tested`, uint8 `[H, W, D]` each, or the addresses that an earlier page has;
            none leaves them out.
    """
    layers = fold_layers(report.layers)
    parts, marks = _by_data(report)
    largest = {
        quantity: max((getattr(row, f"{quantity}_before") for row in layers), default=1) or 1
        for quantity in ("channels", "params", "flops")
    }
    shown = [name for name, seconds in report.times.items() if seconds > 0]
    return render(
        "page.html",
        report=report,
        layers=layers,
        strips=kept_channels(report.groups),
        largest=largest,
        charts=_charts(parts, marks),
        is_on_one_data=not marks,
        search=_search_chart(report),
        last_step=report.history[-1] if report.history else None,
        before=parts[-1][0].test_accuracy if parts and len(parts[-1]) > 1 else None,
        commands=[entry.command for entry in report.history if entry.command]
        or list(filter(None, [report.command])),
        phases=[(name, report.times[name], hue) for name, hue in zip(shown, hues(len(shown)), strict=True)],
        snippets=_snippets(report),
        pictures=[one if isinstance(one, str) else thumbnail(one) for one in pictures],
        diagram=reliability_diagram(report.tested.calibration) if report.tested else None,
        best_speed={kind: _largest_batch(report, kind) for kind in ("inference", "training")},
    )


def _charts(
    parts: Sequence[Sequence[EpochRecord]], marks: Sequence[tuple[float, str]]
) -> list[tuple[str, Markup]]:
    """Draw what has at least two points; a single one is a number, not a curve."""
    accuracy = [[(point.epoch, _per_cent(point.test_accuracy)) for point in part] for part in parts]
    loss = [[(point.epoch, point.train_loss) for point in part] for part in parts]
    held_out = [[(point.epoch, _per_cent(point.validation_accuracy)) for point in part] for part in parts]
    validated = "Accuracy by epoch on training images held out"
    lines = (
        Line(label=validated, parts=[_known(part) for part in held_out], unit=" %"),
        Line(label="Test accuracy by epoch", parts=[_known(part) for part in accuracy], unit=" %"),
        Line(label="Training loss by epoch", parts=[_known(part) for part in loss], css_class="line second"),
    )
    return [
        (line.label, chart(line, epochs=(parts[0][0].epoch, parts[-1][-1].epoch), marks=marks))
        for line in lines
        if len(line.points) >= 2
    ]


def _search_chart(report: Report) -> Markup | None:
    """Draw what was measured to find a budget; candidates of one size are a table, and no curve."""
    sizes = [tried for tried in report.tried if not tried.name]
    points = sorted((100 * tried.flops_fraction, 100 * tried.accuracy) for tried in sizes)
    if len(points) < 2:
        return None
    line = Line(
        label="Accuracy on held-out training images by FLOPs left",
        parts=[points],
        unit=" %",
        over="FLOPs",
        over_unit=" %",
    )
    chosen = [(100 * tried.flops_fraction, "chosen") for tried in sizes if tried.is_chosen]
    return chart(line, epochs=(points[0][0], points[-1][0]), marks=chosen)


def _by_data(report: Report) -> tuple[list[list[EpochRecord]], list[tuple[float, str]]]:
    """Divide the curve where the data changed; also return at which epochs, and to which data set."""
    numbers = parts_of_one_data(report.history)
    parts: list[list[EpochRecord]] = []
    marks: list[tuple[float, str]] = []
    last = None
    for point in report.curve:
        number = numbers[point.entry] if point.entry < len(numbers) else 0
        if last is not None and number == last:
            parts[-1].append(point)
            continue
        if last is not None:
            marks.append((point.epoch, f"from here on {report.history[point.entry].dataset}"))
        parts.append([point])
        last = number
    return parts, marks


def _known(points: Sequence[tuple[int, float | None]]) -> list[tuple[float, float]]:
    return [(epoch, value) for epoch, value in points if value is not None and math.isfinite(value)]


def _per_cent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _largest_batch(report: Report, kind: str) -> object:
    return max(
        (row for row in report.speed if row.kind == kind), key=lambda row: row.batch_size, default=None
    )


def _snippets(report: Report) -> list[tuple[str, str]]:
    """Return the path of each file and the code that loads it, where there is some."""
    if not report.calling:
        return []
    found = [
        (file.path, snippet(report.calling, format_name=parts_of(file.format)[0], path=file.path))
        for file in report.files
    ]
    return [(path, code) for path, code in found if code]
