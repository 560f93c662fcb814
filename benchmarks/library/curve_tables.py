"""Accuracy over seconds of training: crossings, leads, tables and a plot of recorded curves."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from library.markdown import table
from library.results import Record, grouped_by, rate_of, unique

Point = Mapping[str, float]

METHODS = {
    "full": "full network",
    "stamp": "STAMP (K = 0)",
    "static": "learnt order",
    "l1": "L1, uniform widths",
    "random": "random, uniform widths",
}
OF_FINAL = 0.95
"""The accuracy to be reached, as a fraction of the full network's at the end."""

LEAD_UNTIL_EPOCH = 5
"""Up to the end of this epoch of the full network STAMP shall be ahead of it."""

_FROM_PLAIN = ("l1", "random")
# Colours of Okabe & Ito, told apart by all eyes; line styles tell them apart in grey too.
_LOOKS = {
    "full": ("#000000", "-"),
    "stamp": ("#D55E00", "-"),
    "static": ("#0072B2", "--"),
    "l1": ("#009E73", "-."),
    "random": ("#CC79A7", ":"),
}


def time_to(points: Sequence[Point], accuracy: float) -> float | None:
    """Return when a curve first reaches an accuracy, in seconds; None if it never does.

    Args:
        points: Of `seconds` and `accuracy`, in order of time; linear in between.
        accuracy: To be reached.
    """
    for index, point in enumerate(points):
        if point["accuracy"] < accuracy:
            continue
        if index == 0:
            return point["seconds"]
        before = points[index - 1]
        way = (accuracy - before["accuracy"]) / (point["accuracy"] - before["accuracy"])
        return before["seconds"] + way * (point["seconds"] - before["seconds"])
    return None


def accuracy_at(points: Sequence[Point], seconds: float) -> float:
    """Return a curve's accuracy at a time: 0 before its first point, the last one's after the end.

    Args:
        points: As in `time_to`.
        seconds: Of training.
    """
    if seconds < points[0]["seconds"]:
        return 0.0
    for before, after in pairwise(points):
        if seconds <= after["seconds"]:
            way = (seconds - before["seconds"]) / (after["seconds"] - before["seconds"])
            return before["accuracy"] + way * (after["accuracy"] - before["accuracy"])
    return points[-1]["accuracy"]


def smallest_lead(points: Sequence[Point], other: Sequence[Point], *, until: float) -> tuple[float, float]:
    """Return the smallest lead of a curve over another one, and when.

    The comparison begins where the other curve does. A curve that begins later lags until then by all that the
    other one has: there is no network to ask yet.

    Args:
        points: Of the curve that shall be ahead, as in `time_to`.
        other: Of the other one.
        until: Seconds to which they are compared, not before `other` begins.

    Returns:
        The lead, negative where it lags, and its time in seconds.
    """
    # Between two neighbours of all their points both are linear, so that the extremes lie on points.
    times = {point["seconds"] for point in (*points, *other)} | {until}
    start = other[0]["seconds"]
    leads = [
        (accuracy_at(points, time) - accuracy_at(other, time), time)
        for time in sorted(times)
        if start <= time <= until
    ]
    own_start = points[0]["seconds"]
    if own_start > start:
        # The moment just before it begins is on no point.
        last_without = min(own_start, until)
        leads.append((-accuracy_at(other, last_without), last_without))
    return min(leads)


def time_curve_tables(records: Sequence[Record]) -> str:
    """Set the methods side by side: accuracy at the end, seconds, and when 95 % of full's is reached.

    Args:
        records: Of the program `time_curves`.
    """
    parts = []
    for (backbone, size, epochs, seed, rate, budget, reference), chosen in _runs(records).items():
        pruned = unique(record["case"]["epochs"] for record in chosen if record["case"]["method"] != "full")
        length = " and ".join(f"{number}" for number in unique([epochs, *pruned]))
        parts.append(
            f"### {backbone}, CIFAR-10, {size:,} images, {length} epochs, rate {rate:g}, FLOPs ≤ {budget:g}, "
            f"seed {seed} (reference {reference})\n\n" + _method_table(chosen, reference) + _lead(chosen)
        )
    return "\n\n".join(parts)


def _runs(records: Sequence[Record]) -> dict[tuple[Any, ...], list[Record]]:
    """Return what is compared with each other, by backbone, images, epochs, seed, rate, budget and reference."""
    runs: dict[tuple[Any, ...], list[Record]] = {}

    def key(record: Record) -> tuple[Any, ...]:
        case = record["case"]
        full_epochs = case.get("full_epochs", case["epochs"])
        return case["backbone"], case["train_size"], full_epochs, case["seed"], rate_of(record)

    for settings, alike in grouped_by(records, key).items():
        pruned = [record["case"] for record in alike if record["case"]["method"] != "full"]
        references = unique(
            record["case"]["reference"] for record in alike if record["case"]["method"] not in _FROM_PLAIN
        )
        for budget in unique(case["max_flops"] for case in pruned):
            for reference in references:
                runs[*settings, budget, reference] = [
                    record
                    for record in alike
                    if (record["case"]["method"] == "full" or record["case"]["max_flops"] == budget)
                    and (record["case"]["method"] in _FROM_PLAIN or record["case"]["reference"] == reference)
                ]
    return runs


def _method_table(records: Sequence[Record], reference: str) -> str:
    """Return a row per method."""
    full = _points_of(records, "full")
    goal = None if full is None else OF_FINAL * full[-1]["accuracy"]
    full_time = None if full is None or goal is None else time_to(full, goal)
    rows = []
    for record in sorted(records, key=lambda record: list(METHODS).index(record["case"]["method"])):
        case, figures = record["case"], record["figures"]
        points = figures["points"]
        reached = None if goal is None else time_to(points, goal)
        rows.append(
            [
                METHODS[case["method"]]
                + ("" if case["reference"] == reference else f" (from {case['reference']})"),
                f"{100 * figures['flops_fraction']:.1f}",
                f"{100 * points[0]['accuracy']:.1f}",
                f"{100 * points[-1]['accuracy']:.1f}",
                f"{sum(figures['seconds'].values()):.1f}",
                f"{figures['step_seconds'] / case['epochs']:.1f}",
                f"{points[-1]['seconds']:.1f}",
                "never" if reached is None else f"{reached:.1f}",
                f"{full_time / reached:.2f}" if full_time and reached else "-",
            ]
        )
    threshold = "95 % of full's" if goal is None else f"{100 * goal:.1f} % (95 % of full's)"
    head = ["method", "FLOPs %", "no step", "at the end", "before, s", "epoch, s", "in all, s"]
    return table([*head, f"to {threshold}, s", "full's time / its time"], rows)


def _lead(records: Sequence[Record]) -> str:
    """Say whether STAMP is ahead of the full network all along; empty without both."""
    stamp, full = _points_of(records, "stamp"), _points_of(records, "full")
    if stamp is None or full is None:
        return ""
    last = [point for point in full if point["epoch"] <= LEAD_UNTIL_EPOCH][-1]
    lead, seconds = smallest_lead(stamp, full, until=last["seconds"])
    answer = "is ahead of" if lead > 0 else "is **not** ahead of"
    return (
        f"\n\nSTAMP {answer} the full network at every time up to full's epoch {last['epoch']:g} "
        f"({last['seconds']:.1f} s): the smallest lead is {100 * lead:+.1f} points, at {seconds:.1f} s."
    )


def _points_of(records: Sequence[Record], method: str) -> Sequence[Point] | None:
    """Return the curve of a method, or None if there is none."""
    for record in records:
        if record["case"]["method"] == method:
            return record["figures"]["points"]
    return None


def plot_time_curves(records: Sequence[Record], path: Path) -> None:
    """Draw the curves of one run into a file.

    Args:
        records: One per method.
        path: The file; its ending decides the format.

    Raises:
        ValueError: If a method has two records; choose those of one run.
        ModuleNotFoundError: If matplotlib is not installed.
    """
    methods = [record["case"]["method"] for record in records]
    if len(set(methods)) < len(methods):
        raise ValueError(
            f"A plot must have one record per method, but got {methods}; choose those of one run."
        )
    # A figure of its own with the Agg canvas leaves the state of pyplot alone and needs no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ends = []
    for record in records:
        method, points = record["case"]["method"], record["figures"]["points"]
        colour, style = _LOOKS[method]
        seconds, accuracies = [p["seconds"] for p in points], [100 * p["accuracy"] for p in points]
        axes.plot(seconds, accuracies, color=colour, linestyle=style, linewidth=1.8)
        axes.plot(seconds[-1:], accuracies[-1:], color=colour, marker="o", markersize=4)
        ends.append((accuracies[-1], seconds[-1], METHODS[method], colour))
    # Room for the labels behind the curves' ends.
    last = max(seconds for _, seconds, _, _ in ends)
    axes.set_xlim(0, 1.3 * last)
    full = _points_of(records, "full")
    if full is not None:
        goal = 100 * OF_FINAL * full[-1]["accuracy"]
        axes.axhline(goal, color="#666666", linewidth=0.8, linestyle=(0, (1, 3)))
        axes.annotate(
            "95 % of full's end",
            (1.3 * last, goal),
            xytext=(-3, -3),
            textcoords="offset points",
            color="#666666",
            fontsize=8,
            ha="right",
            va="top",
        )
    bottom, top = axes.get_ylim()
    height = -float("inf")
    for accuracy, seconds, name, colour in sorted(ends):
        # Labels of curves that end alike are pushed apart, from the lowest upwards.
        height = max(accuracy, height + 0.05 * (top - bottom))
        axes.annotate(
            name,
            (seconds, height),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            va="center",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("test accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
