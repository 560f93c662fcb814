"""Measured speed-up of smaller networks over that of their FLOPs, as a plot."""

from collections.abc import Sequence
from pathlib import Path

from library.results import Record, unique

# Colours of Okabe & Ito, told apart by all eyes; markers tell them apart in grey too. Filled: rounded widths.
_LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))


def plot_removal(records: Sequence[Record], path: Path) -> None:
    """Draw a panel for each kind of step and batch size: a line per network and kind of widths.

    Args:
        records: Of `removal_speed`.
        path: The image file; its ending says which kind.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
        ValueError: If there are no records.
    """
    # Figures of their own, without pyplot: the caller's choice of a window system stays as it is.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if not records:
        raise ValueError("A plot must have records, but got none; run removal_speed.py first.")
    sizes = sorted({size for record in records for size in record["case"]["batch_sizes"]})
    networks = unique(record["case"]["network"] for record in records)
    roundings = sorted({v["round_to"] for record in records for v in record["figures"]["variants"]})
    highest = max(v["flops_speed_up"] for record in records for v in record["figures"]["variants"])
    figure = Figure(figsize=(4 * len(sizes), 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(sizes), squeeze=False, sharex=True, sharey=True)
    for row, kind in zip(panels, ("inference", "training"), strict=True):
        for panel, size in zip(row, sizes, strict=True):
            panel.plot([1, highest], [1, highest], color="black", linestyle="--", linewidth=1)
            for record in records:
                color, marker = _LOOKS[networks.index(record["case"]["network"]) % len(_LOOKS)]
                for round_to in roundings:
                    points = [(1.0, 1.0)]
                    points += [
                        (variant["flops_speed_up"], step["speed_up"])
                        for variant in record["figures"]["variants"]
                        for step in variant["steps"]
                        if (variant["round_to"], step["kind"], step["batch_size"]) == (round_to, kind, size)
                    ]
                    panel.plot(
                        *zip(*sorted(points), strict=True),
                        color=color,
                        marker=marker,
                        fillstyle="none" if round_to == 1 else "full",
                        linestyle=":" if round_to == 1 else "-",
                        linewidth=1.2,
                        markersize=5,
                    )
            panel.set_title(f"{kind}, batch {size}", fontsize=9)
            panel.set_xlabel("FLOPs speed-up")
            panel.set_ylabel("measured speed-up")
            panel.grid(alpha=0.3)
    entries = [
        Line2D([], [], color=color, marker=marker, linestyle="none", label=name)
        for name, (color, marker) in zip(networks, _LOOKS, strict=False)
    ]
    entries += [
        Line2D(
            [],
            [],
            color="black",
            linestyle=":" if round_to == 1 else "-",
            label="any widths" if round_to == 1 else f"multiples of {round_to}",
        )
        for round_to in roundings
    ]
    entries.append(Line2D([], [], color="black", linestyle="--", linewidth=1, label="as the FLOPs"))
    figure.legend(handles=entries, loc="outside lower center", ncols=4, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
