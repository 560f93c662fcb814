"""An evaluation as a page: mistakes as pictures, calibration, confusions and classes."""

from __future__ import annotations

from pathlib import Path

from stamp_tf import __version__
from stamp_tf.pruned_runs.evaluation import Evaluation
from stamp_tf.report.reliability import reliability_diagram
from stamp_tf.report.template import render
from stamp_tf.report.thumbnails import thumbnail
from stamp_tf.storage.files import write_bytes_atomic


def write_evaluation(found: Evaluation, path: Path, *, command: str = "") -> None:
    """Write an evaluation as one HTML page that needs nothing else, whole or not at all.

    Args:
        found: The figures.
        path: The file; its folder exists.
        command: What was typed, for the page.

    Raises:
        StampError: If the disk refuses.
    """
    tested = found.tested
    page = render(
        "evaluate.html",
        found=found,
        tested=tested,
        pictures=[thumbnail(one.pixels) for one in found.counts.mistakes],
        diagram=reliability_diagram(tested.calibration),
        commands=[command] if command else [],
        version=__version__,
    )
    write_bytes_atomic(path, page.encode())
