"""What the runs of a suite say together: means and deviations over seeds, as tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from stamp_tf.benchmarking.cases import Setup
from stamp_tf.benchmarking.suite import Published, Row
from stamp_tf.quantities import duration

_COLUMNS = (
    "Method",
    "Runs",
    "Accuracy (%)",
    "P (%)",
    "FLOPs",
    "Search",
    "Fine-tuning",
    "Both, of full",
    "Inference",
    "Memory",
    "Published accuracy (%)",
    "P (%)",
    "FLOPs",
    "Time, of full",
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The runs of a row on one data set, on all tasks of it that are compared.

    Args:
        row: What was run.
        target: Name of the data set.
        train_size: Training images; 0 for all.
        records: Of its seeds and tasks; none where nothing was run.
    """

    row: Row
    target: str
    train_size: int
    records: tuple[Mapping[str, Any], ...]

    def values(self, name: str) -> list[float]:
        """Return a figure of every seed."""
        return [record["figures"][name] for record in self.records]

    def mean(self, name: str) -> float:
        """Return the mean of a figure; NaN of no runs."""
        return mean(self.values(name)) if self.records else float("nan")

    def deviation(self, name: str) -> float | None:
        """Return the sample deviation of a figure over runs, None of fewer than two."""
        return stdev(self.values(name)) if len(self.records) > 1 else None

    @property
    def seconds(self) -> float:
        """Mean time to prune and fine-tune."""
        return self.mean("seconds_search") + self.mean("seconds_finetune")

    @property
    def published(self) -> Published | None:
        """What the paper has."""
        return self.row.published.get(self.target)


def summaries(setup: Setup, records: Sequence[Mapping[str, Any]]) -> list[Summary]:
    """Gather records by data set, number of images and row, in the order of the suite.

    Args:
        setup: What was run.
        records: Of its cases.
    """
    gathered: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        case = record["case"]
        if case.get("task") in setup.size.remembered:
            continue
        gathered.setdefault((case["target"], case["train_size"], case["row"]), []).append(record)
    return [
        Summary(
            row=row, target=target, train_size=size, records=tuple(gathered.get((target, size, row.key), ()))
        )
        for target in setup.targets
        for size in setup.size.train_sizes
        for row in setup.content.rows
    ]


def tables(found: Sequence[Summary]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield a heading and rows of cells, of which the first has the names of the columns, for each part of a suite that
    was run at all.

    Args:
        found: All summaries.
    """
    parts = dict.fromkeys((one.target, one.train_size) for one in found)
    for target, size in parts:
        part = [one for one in found if (one.target, one.train_size) == (target, size)]
        shown = [one for one in part if one.records or one.published]
        full = next((one for one in part if one.row.kind == "full"), None)
        heading = f"{target}, {f'{size:,} training images' if size else 'all training images'}"
        if any(one.records for one in part):
            yield heading, [_COLUMNS, *(_cells(one, full) for one in shown)]


def limits_of(row: Row) -> str:
    """Return what a row limits, such as `10 % of the parameters`.

    Args:
        row: Of the suite.
    """
    names = {"keep_params": "of the parameters", "max_flops": "of the FLOPs"}
    return ", ".join(f"{100 * value:g} % {names.get(name, name)}" for name, value in row.limits.items())


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown.

    Args:
        rows: Cells; the first row has the names of the columns.
    """
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|:-" * len(rows[0]) + "|", *lines[1:]])


def as_csv(found: Sequence[Summary]) -> str:
    """Return every figure of every run as comma-separated values, a run a line.

    Args:
        found: All summaries.
    """
    text = io.StringIO()
    names = sorted({name for one in found for record in one.records for name in record["figures"]})
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["target", "task", "train_size", "row", "title", "seed", *names])
    for one in found:
        for record in one.records:
            figures = [record["figures"].get(name, "") for name in names]
            writer.writerow(
                [
                    one.target,
                    record["case"].get("task", ""),
                    one.train_size or "all",
                    one.row.key,
                    one.row.title,
                    record["case"]["seed"],
                    *figures,
                ]
            )
    return text.getvalue()


def _cells(one: Summary, full: Summary | None) -> tuple[str, ...]:
    ours = ("",) * 9 if not one.records else _own_cells(one, full)
    paper = ("",) * 4 if one.published is None else _published_cells(one.published, full)
    return (one.row.title if one.row.is_installed else f"{one.row.title} (not installed)", *ours, *paper)


def _own_cells(one: Summary, full: Summary | None) -> tuple[str, ...]:
    share = one.seconds / full.seconds if full is not None and full.records else None
    return (
        str(len(one.records)),
        _with_deviation(100 * one.mean("accuracy"), one.deviation("accuracy"), factor=100),
        f"{100 * one.mean('params_fraction'):.2f}",
        f"/ {1 / one.mean('flops_fraction'):.2f}",
        duration(one.mean("seconds_search")),
        duration(one.mean("seconds_finetune")),
        "" if share is None else f"{share:.2f}",
        duration(one.mean("seconds_inference")),
        _memory(one),
    )


def _memory(one: Summary) -> str:
    """Return the largest peak of its runs; nothing where a system does not say."""
    known = [value for value in one.values("peak_bytes") if value is not None]
    return f"{max(known) / 2**30:.1f} GiB" if known else ""


def _published_cells(paper: Published, full: Summary | None) -> tuple[str, ...]:
    whole = None if full is None or full.published is None else full.published.hours
    share = "" if whole is None or paper.hours is None else f"{paper.hours / whole:.2f}"
    return (
        _with_deviation(paper.accuracy, paper.deviation),
        f"{paper.params:.2f}",
        f"/ {paper.flops:.2f}",
        share,
    )


def _with_deviation(value: float, deviation: float | None, *, factor: float = 1.0) -> str:
    return f"{value:.2f}" if deviation is None else f"{value:.2f} ± {factor * deviation:.2f}"
