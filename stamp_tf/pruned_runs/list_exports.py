"""What `export` wrote into the folder of a run, in the run's report and model card."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from stamp_tf.pruned_runs.exports import exports_of, file_of
from stamp_tf.report.page import write_report
from stamp_tf.report.report import ExportedFile, Report
from stamp_tf.storage.records import read_record
from stamp_tf.storage.run_directory import RunDirectory


def list_exports(run: RunDirectory, files: Sequence[ExportedFile]) -> None:
    """Write the report and the model card anew, with files that the run's folder got since; figures stay as they were.

    Args:
        run: The run, whose folder the caller holds; one without a report is left alone.
        files: What was written; each takes the place of an earlier one there, and those elsewhere are left out.

    Raises:
        StampError: If the report is damaged.
    """
    if not run.report_json.exists():
        return
    report = read_record(run.report_json, Report, remedy="prune again")
    listed = {file.path: file for file in report.files or _usual(run)}
    for file in files:
        place = Path(file.path).parent.resolve() / Path(file.path).name
        if place.is_relative_to(run.path.resolve()):
            path = place.relative_to(run.path.resolve()).as_posix()
            listed[path] = dataclasses.replace(file, path=path)
    write_report(dataclasses.replace(report, files=tuple(listed.values())), run, pictures=None)


def _usual(run: RunDirectory) -> list[ExportedFile]:
    """Return what lies in the folder of a run whose report lists no files, as those of before did not."""
    return [
        file_of(run.path / path, path=path, format_name=name, zipped=False)
        for path, name in exports_of(run).items()
    ]
