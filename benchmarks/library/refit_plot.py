"""What a network keeps when it is fitted to its own images, and to those of another data set, as a plot."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.results import Record, grouped

# Ranking, kernels, what they are called, and a colour of Okabe & Ito.
_BARS = (
    ("remaining-error", "as it is", "no refit", "#999999"),
    ("remaining-error of other", "other", "channels and kernels from another set", "#D55E00"),
    ("remaining-error", "other", "kernels from another set", "#E69F00"),
    ("remaining-error of other", "refitted", "channels from another set", "#56B4E9"),
    ("remaining-error", "refitted", "all from its own images", "#0072B2"),
)
_FULL = "full network"
_NAMES = [_FULL, *(name for _, _, name, _ in _BARS)]


def plot_refits(records: Sequence[Record], path: Path) -> None:
    """Draw a panel for each network, those fitted to other images, too, if there are any: accuracy without a step.

    Args:
        records: Of `refit`.
        path: The image file; its ending says which kind.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    # Figures of their own, without pyplot: the caller's choice of a window system stays as it is.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plain = [row for row in records if not {"epochs", "allocation"} & set(row["case"])]
    networks = list(grouped(plain, "network", "dataset", "images").items())
    swapped = [(names, _compared(rows)) for names, rows in networks if _has_other(rows)]
    networks = swapped or networks
    columns = min(2, len(networks))
    lines = math.ceil(len(networks) / columns)
    figure = Figure(figsize=(5.5 * columns, 0.6 + 2.8 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels[len(networks) :]:
        panel.set_axis_off()
    most = max(len(_budgets(rows)) for _, rows in networks)
    for panel, ((network, dataset, images), rows) in zip(panels, networks, strict=False):
        _draw(panel, rows, room=most)
        panel.set_title(f"{network}, {dataset}, {images} images", fontsize=9)
    names = {
        name: handle
        for panel in panels
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        [names[name] for name in sorted(names, key=_NAMES.index)],
        sorted(names, key=_NAMES.index),
        loc="outside upper center",
        ncols=3,
        fontsize=8,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw(panel: Any, rows: Sequence[Record], *, room: int) -> None:
    """Draw the bars of a network, as wide as where there are `room` budgets."""
    budgets = _budgets(rows)
    width = 0.8 / len(_BARS)
    for number, (ranking, kernels, name, color) in enumerate(_BARS):
        heights = [_mean(rows, budget, ranking=ranking, kernels=kernels) for budget in budgets]
        places = [at + (number - (len(_BARS) - 1) / 2) * width for at in range(len(budgets))]
        drawn = [(at, height) for at, height in zip(places, heights, strict=True) if height is not None]
        if drawn:
            bars = panel.bar(*zip(*drawn, strict=True), width=0.9 * width, color=color, label=name)
            panel.bar_label(bars, fmt="%.0f", fontsize=7)
    full = _mean(rows, 1.0, ranking="none", kernels="as it is")
    if full is not None:
        panel.axhline(full, color="black", linestyle="--", linewidth=1, label=_FULL)
    panel.set_xticks(range(len(budgets)), [f"{budget:g} of the FLOPs" for budget in budgets], fontsize=8)
    middle = (len(budgets) - 1) / 2
    panel.set_xlim(middle - room / 2, middle + room / 2)
    panel.set_ylabel("test accuracy, %", fontsize=8)
    panel.margins(y=0.12)


def _has_other(rows: Sequence[Record]) -> bool:
    return any(row["case"]["kernels"] == "other" for row in rows)


def _compared(rows: Sequence[Record]) -> list[Record]:
    """Return the records of those budgets and seeds in which kernels were swapped, and of the full network."""
    swapped = {
        (row["case"]["max_flops"], row["case"]["seed"]) for row in rows if row["case"]["kernels"] == "other"
    }
    seeds = {seed for _, seed in swapped}
    return [
        row
        for row in rows
        if (row["case"]["max_flops"], row["case"]["seed"]) in swapped
        or (row["case"]["ranking"] == "none" and row["case"]["seed"] in seeds)
    ]


def _budgets(rows: Sequence[Record]) -> list[float]:
    return sorted({row["case"]["max_flops"] for row in rows if row["case"]["ranking"] != "none"})


def _mean(rows: Sequence[Record], budget: float, *, ranking: str, kernels: str) -> float | None:
    wanted = {"max_flops": budget, "ranking": ranking, "kernels": kernels}
    found = [row["figures"]["accuracy"] for row in rows if wanted.items() <= row["case"].items()]
    return 100 * sum(found) / len(found) if found else None
