"""What a network keeps when it is fitted to its own images, and to those of another data set, as a plot."""

from collections.abc import Sequence
from pathlib import Path

from library.results import Record, grouped

# Ranking, kernels, what they are called, and a colour of Okabe & Ito.
_BARS = (
    ("remaining-error", "as it is", "no refit", "#999999"),
    ("remaining-error of other", "other", "channels and kernels from another set", "#D55E00"),
    ("remaining-error", "other", "kernels from another set", "#E69F00"),
    ("remaining-error of other", "refitted", "channels from another set", "#56B4E9"),
    ("remaining-error", "refitted", "all from its own images", "#0072B2"),
)


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
    swapped = [
        (names, rows) for names, rows in networks if any(r["case"]["kernels"] == "other" for r in rows)
    ]
    networks = swapped or networks
    figure = Figure(figsize=(9, 0.8 + 3.2 * len(networks)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
    for panel, ((network, dataset, images), rows) in zip(panels, networks, strict=True):
        budgets = sorted({row["case"]["max_flops"] for row in rows if row["case"]["ranking"] != "none"})
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
            panel.axhline(full, color="black", linestyle="--", linewidth=1, label="full network")
        panel.set_xticks(range(len(budgets)), [f"{budget:g} of the FLOPs" for budget in budgets])
        panel.set_ylabel("test accuracy, %")
        panel.set_title(f"{network}, {dataset}, {images} images, no gradient step", fontsize=9)
        panel.margins(y=0.1)
    panels[0].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _mean(rows: Sequence[Record], budget: float, *, ranking: str, kernels: str) -> float | None:
    wanted = {"max_flops": budget, "ranking": ranking, "kernels": kernels}
    found = [row["figures"]["accuracy"] for row in rows if wanted.items() <= row["case"].items()]
    return 100 * sum(found) / len(found) if found else None
