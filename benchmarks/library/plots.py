"""Plots of the benchmarks; they read records and draw, and compute nothing but means and deviations."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from library.results import Record
from library.source_tables import SOURCES, accuracy_after, sections

# Colours of Okabe & Ito, told apart by all eyes; markers tell them apart in grey too. Open: from the plain reference.
_LOOKS = {
    "random-plain": ("#CC79A7", "o", "none"),
    "random": ("#CC79A7", "o", "full"),
    "l1-plain": ("#009E73", "s", "none"),
    "l1": ("#009E73", "s", "full"),
    "static": ("#0072B2", "^", "full"),
    "static-uniform": ("#0072B2", "2", "full"),
    "statistic": ("#56B4E9", "v", "full"),
    "stamp": ("#D55E00", "D", "full"),
    "stamp-k1": ("#E69F00", "P", "full"),
    "stamp-structure": ("#999999", "X", "full"),
}


def plot_sources(records: Sequence[Record], path: Path) -> None:
    """Draw test accuracy over remaining FLOPs: a row per network, data set and size; no step beside fine-tuned.

    Args:
        records: Of `pruning_cost`.
        path: The image file; its ending says which kind.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
        ValueError: If there are no records.
    """
    # Figures of their own, without pyplot: the caller's choice of a window system stays as it is.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    found = sections(records)
    if not found:
        raise ValueError("A plot must have records, but got none; run pruning_cost.py first.")
    figure = Figure(figsize=(10, 0.8 + 3.2 * len(found)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(found), 2, squeeze=False, sharey="row")
    lines: dict[str, Any] = {}
    for row, section in zip(panels, found, strict=True):
        budgets = sorted({budget for budget, source in section.rows if source != "full"})
        for panel, epoch in zip(row, (0, section.epochs), strict=True):
            for source, name in SOURCES.items():
                points = [_point(of, epoch) for (_, other), of in section.rows.items() if other == source]
                if not points:
                    continue
                if source == "full":
                    lines[name] = panel.axhline(points[0][1], color="black", linestyle="--", linewidth=1)
                    continue
                color, marker, filled = _LOOKS[source]
                flops, means, deviations = zip(*sorted(points), strict=True)
                lines[name] = panel.errorbar(
                    flops,
                    means,
                    yerr=deviations,
                    color=color,
                    marker=marker,
                    fillstyle=filled,
                    linestyle=":" if filled == "none" else "-",
                    linewidth=1.2,
                    markersize=5,
                    capsize=2,
                )
            panel.set_xscale("log")
            panel.set_xticks(budgets, [f"{100 * budget:g}" for budget in budgets])
            panel.xaxis.set_minor_locator(NullLocator())
            after = f"after {epoch} epoch{'' if epoch == 1 else 's'}" if epoch else "no step"
            panel.set_title(f"{section.title}, {after}", fontsize=9)
            panel.set_xlabel("remaining FLOPs (%)")
            panel.set_ylabel("test accuracy (%)")
            panel.grid(alpha=0.3)
    figure.legend(
        [lines[name] for name in SOURCES.values() if name in lines],
        [name for name in SOURCES.values() if name in lines],
        loc="outside lower center",
        ncols=5,
        fontsize=8,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _point(records: Sequence[Record], epoch: int) -> tuple[float, float, float]:
    """Return the mean remaining FLOPs, and mean and sample deviation of accuracies in per cent."""
    accuracies = [accuracy_after(record["figures"], epoch) for record in records]
    measured = [accuracy for accuracy in accuracies if accuracy is not None]
    flops = fmean(record["figures"]["flops_fraction"] for record in records)
    return flops, fmean(measured), stdev(measured) if len(measured) > 1 else 0.0
