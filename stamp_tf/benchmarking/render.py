"""Make tables, plots and a page of the runs of a suite; nothing is run."""

from __future__ import annotations

import io
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from markupsafe import Markup

from stamp_tf.benchmarking.folder import SuiteFolder
from stamp_tf.benchmarking.plots import draw
from stamp_tf.benchmarking.summary import Summary, as_csv, as_markdown, summaries, tables
from stamp_tf.benchmarking.swaps import swaps_table
from stamp_tf.errors import StampError
from stamp_tf.report.template import render
from stamp_tf.storage.files import write_bytes_atomic
from stamp_tf.storage.records import encode

logger = logging.getLogger(__name__)

_SWAPS = "Masks swapped, without a gradient step: mean and two standard errors over seeds"


def render_suite(folder: SuiteFolder) -> list[Path]:
    """Write `table.md`, `runs.csv`, `results.jsonl`, `report.html` and each plot as PNG and SVG.

    Args:
        folder: Of the suite.

    Returns:
        The files, the page last.

    Raises:
        StampError: If it is the folder of no suite, or nothing was run yet.
    """
    setup, records = folder.setup, folder.records()
    if not records:
        raise StampError(
            f"`run_dir` must hold runs that are done, but {folder.path} has none; run the suite first."
        )
    found = summaries(setup, records)
    parts = list(tables(found))
    if "swaps" in setup.content.views and len(swapped := swaps_table(found)) > 1:
        parts.append((_SWAPS, swapped))
    # What is published stands beside whatever was taken for its data set.
    data = ", ".join(f"{name}: `{spec}`" for name, spec in setup.targets.items() if name != spec)
    paragraphs = [f"# {setup.content.title}", f"{setup.content.source}. {setup.content.note}"]
    paragraphs += [f"Data: {data}."] if data else []
    paragraphs += [f"## {heading}\n\n{as_markdown(rows)}" for heading, rows in parts]
    markdown = "\n\n".join(paragraphs)
    files = {
        "table.md": f"{markdown}\n".encode(),
        "runs.csv": as_csv(found).encode(),
        "results.jsonl": b"".join(encode(record) for record in records),
    }
    plots = _plots(folder, found)
    files |= plots
    pictures = [Markup(plots[name].decode()) for name in plots if name.endswith(".svg")]
    page = render(
        "benchmark.html",
        suite=setup.content,
        setup=setup,
        parts=parts,
        pictures=pictures,
        hardware=sorted({str(record["hardware"]["processor"]) for record in records}),
        versions=records[-1]["versions"],
        num_runs=(len(records), len(setup.cases)),
    )
    files["report.html"] = page.encode()
    for name, content in files.items():
        write_bytes_atomic(folder.path / name, content)
    return [folder.path / name for name in files]


def _plots(folder: SuiteFolder, found: list[Summary]) -> dict[str, bytes]:
    """Return the plots of a suite by name of file."""
    if find_spec("matplotlib") is None:
        logger.warning(
            "Plots need matplotlib, which is not installed; add it with pip install 'stamp-tf[benchmarks]'."
        )
        return {}
    plots = {}
    for view in folder.setup.content.views:
        figure = draw(view, found, folder.setup)
        if figure is None:
            continue
        for suffix, options in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
            plots[f"{view}.{suffix}"] = _saved(figure, suffix, **options)
    return plots


def _saved(figure: Any, suffix: str, **options: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=suffix, **options)
    content = file.getvalue()
    # Inside a page the head of an SVG file is none.
    return content[content.index(b"<svg") :] if suffix == "svg" else content
