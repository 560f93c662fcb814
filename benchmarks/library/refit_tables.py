"""What a refit is worth, as a table."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from library.markdown import table
from library.measured_refit import seconds_of
from library.results import Record, grouped, grouped_by, unique


def refit_table(records: Sequence[Record]) -> str:
    """Set rankings beside each other: kernels as they are, refitted, and refitted on other images.

    Args:
        records: Of `refit`.
    """
    parts = [
        "Test accuracy in per cent; mean over seeds, with its standard error where there are several. *As it is*: "
        "batch-norm statistics recalibrated; *refitted* on the target's training images, and on as many of another "
        "data set, on which *remaining-error of other* ranks, too. "
        "*Seconds*: ranking and refit, beside other work on the same cores."
    ]
    for (network, dataset, images, others), rows in grouped_by(records, _panel).items():
        full = [_accuracy(row) for row in rows if row["case"]["ranking"] == "none"]
        named = {"other": "on other images"}
        kinds = _kinds(rows)
        head = ["FLOPs", "ranking", *(named.get(kind, kind) for kind in kinds), "parameters left", "seconds"]
        title = ", ".join([f"**{network}**", dataset, f"{images} images", *others])
        parts.append(f"{title}; full network {_mean(full)} %")
        parts.append(table(head, _rows([row for row in rows if row["case"]["ranking"] != "none"], kinds)))
    return "\n\n".join(parts)


def _panel(record: Record) -> tuple[Any, ...]:
    """Return what the rows of one table share."""
    case = record["case"]
    others = ["equal widths"] if case.get("allocation") == "uniform" else []
    epochs = case.get("epochs")
    others.append(f"{epochs} epochs" if epochs else "no gradient step")
    return case["network"], case["dataset"], case["images"], tuple(others)


def _kinds(records: Sequence[Record]) -> list[str]:
    """Return the usual kinds of kernels, and what else was tried."""
    usual = ["as it is", "refitted", "other"]
    return unique([*usual, *(record["case"]["kernels"] for record in records)])


def _rows(records: Sequence[Record], kinds: Sequence[str]) -> list[list[str]]:
    rows = []
    for (budget, ranking), cases in grouped(records, "max_flops", "ranking").items():
        by_kernels = {kind: list(found) for (kind,), found in grouped(cases, "kernels").items()}
        accuracies = [
            _mean([_accuracy(case) for case in by_kernels.get(kind, [])], with_error=True) for kind in kinds
        ]
        refitted = [case["figures"] for case in by_kernels.get("refitted", [])]
        left = _mean([100 * figures["params_fraction"] for figures in refitted])
        rows.append(
            [f"{budget:g}", ranking, *accuracies, f"{left} %", _mean(list(map(seconds_of, refitted)))]
        )
    return rows


def _accuracy(record: Record) -> float:
    return 100 * float(record["figures"]["accuracy"])


def _mean(values: Sequence[float], *, with_error: bool = False) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.1f}"
    if not with_error or len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values) / math.sqrt(len(values)):.1f}"
