"""Tables of the suite: what masks made for a task are worth against others, paired by task."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from library.markdown import table
from library.results import Record, grouped, grouped_by, unique
from library.target_tasks import FEW_WAYS

COMPARED = {
    "own": "own minus learnt",
    "own-in-static": "own in learnt widths minus learnt",
    "swapped": "own minus swapped",
    "l1": "own minus L1",
}


def suite_tables(records: Sequence[Record]) -> str:
    """Set paired differences side by side, for each suite and reference."""
    parts = [
        "Small tasks cut out of larger sets; no gradient step. Differences of test accuracy in points, mean ± "
        "standard error over tasks; **bold** beyond two standard errors. *Swapped* masks were made for another "
        "task of the same source and for one of another source. *In learnt widths* keeps as many channels per "
        "layer as the learnt order."
    ]
    for (suite, backbone, reference, *fitted), chosen in grouped_by(records, _panel).items():
        name = unique(record["figures"]["reference_name"] for record in chosen)[0]
        title = ", ".join(
            [f"{suite.capitalize()} tasks", backbone, f"reference {reference} ({name})", *fitted]
        )
        parts.append(f"### {title}\n\n" + _table(chosen))
    return "\n\n".join(parts)


def _panel(record: Record) -> tuple[str, ...]:
    """Return what the rows of one table share."""
    case = record["case"]
    fitted = ["refitted"] if case.get("refit") else []
    if epochs := case.get("epochs"):
        fitted.append(f"{epochs} epochs")
    return case["suite"], case["backbone"], case["reference"], *fitted


def _compared(records: Sequence[Record]) -> list[str]:
    """Return the differences that methods were measured for."""
    methods = {record["case"]["method"] for record in records}
    return [method for method in COMPARED if method in methods]


def _table(records: Sequence[Record]) -> str:
    """Return a row per kind of task and budget."""
    rows, columns = [], _compared(records)
    for is_few in (True, False):
        of_kind = [r for r in records if (r["figures"]["ways"] <= FEW_WAYS) == is_few]
        sources = unique(record["figures"]["source"] for record in of_kind)
        for source in [*sources, *(["all"] if len(sources) > 1 else [])]:
            own = [r for r in of_kind if source in ("all", r["figures"]["source"])]
            for (budget,), chosen in grouped(own, "max_flops").items():
                static, differences = _paired(chosen)
                if not static:
                    continue
                rows.append(
                    [
                        f"2 to {FEW_WAYS}" if is_few else "10 and more",
                        source,
                        f"{budget:g}",
                        str(len(static)),
                        f"{fmean(static):.1f}",
                        *(mean_and_error(differences[method]) for method in columns),
                    ]
                )
    heads = [COMPARED[method] for method in columns]
    return table(["classes", "source", "FLOPs ≤", "tasks", "learnt, %", *heads], rows)


def attempts_table(records: Sequence[Record], *, budgets: Sequence[float] = (0.1, 0.05)) -> str:
    """Set attempts side by side, a row per reference and kind of task, all sources together.

    Args:
        records: Of several references on the same tasks.
        budgets: FLOPs that get columns.
    """
    rows, columns = [], _compared(records)
    for own in grouped(records, "reference").values():
        name = unique(record["figures"]["reference_name"] for record in own)[0]
        for is_few in (True, False):
            of_kind = [r for r in own if (r["figures"]["ways"] <= FEW_WAYS) == is_few]
            row = [name, f"2 to {FEW_WAYS}" if is_few else "10 and more"]
            for budget in budgets:
                static, differences = _paired([r for r in of_kind if r["case"]["max_flops"] == budget])
                row.append(f"{fmean(static):.1f}" if static else "-")
                row += [mean_and_error(differences.get(method, [])) for method in columns]
            rows.append(row)
    names = ["learnt, %", *(COMPARED[method] for method in columns)]
    heads = [f"{name}, {budget:g}" for budget in budgets for name in names]
    return table(["attempt", "classes", *heads], rows)


def _paired(records: Sequence[Record]) -> tuple[list[float], dict[str, list[float]]]:
    """Return the learnt order's accuracy on every task, and the differences of `COMPARED`, in points."""
    accuracy = {
        method: {r["case"]["task"]: 100 * r["figures"]["accuracy"] for r in group}
        for (method,), group in grouped(records, "method").items()
    }
    # Fewer tasks than methods ran on would pair nothing with something.
    tasks = [
        task for task in accuracy.get("static", {}) if all(task in values for values in accuracy.values())
    ]
    pairs = {
        "own": ("own", "static"),
        "own-in-static": ("own-in-static", "static"),
        "swapped": ("own", "swapped"),
        "l1": ("own", "l1"),
    }
    differences = {
        name: [accuracy[first][task] - accuracy[second][task] for task in tasks]
        if first in accuracy and second in accuracy
        else []
        for name, (first, second) in pairs.items()
    }
    return [accuracy["static"][task] for task in tasks], differences


def mean_and_error(values: Sequence[float]) -> str:
    """Return `mean ± standard error` with the mean's sign, bold beyond two errors; a dash of fewer than two.

    Args:
        values: One difference per task.
    """
    if len(values) < 2:
        return "-"
    mean, error = fmean(values), stdev(values) / sqrt(len(values))
    text = f"{mean:+.1f} ± {error:.1f}"
    return f"**{text}**" if error and abs(mean) > 2 * error else text
