"""Tables of a comparison of runs for the terminal."""

from rich.table import Table
from rich.text import Text

from stamp_cli.cells import name_cell
from stamp_tf.comparison.compare import Comparison
from stamp_tf.quantities import percent, points, share


def runs_table(comparison: Comparison) -> Table:
    """Return one line per run: what it was pruned for, how, and how much it kept."""
    table = _table()
    for heading in ("Run", "Data set", "Method", "Budget"):
        table.add_column(heading)
    table.add_column("Channels kept", justify="right", no_wrap=True)
    table.add_column("Reference", style="dim")
    for run in comparison.runs:
        kept = f"{run.num_kept} of {run.size}"
        table.add_row(
            *map(name_cell, (run.label, run.dataset, run.method, run.budget, kept, run.reference or ""))
        )
    return table


def layers_table(comparison: Comparison) -> Table:
    """Return one line per layer and one for all: kept channels by run, IoU by pair beside that of chance."""
    table = _table(show_footer=True)
    table.add_column("Layer", footer="All", no_wrap=True)
    table.add_column("Channels", footer=str(comparison.runs[0].size), justify="right")
    for run in comparison.runs:
        table.add_column(name_cell(run.label, above="Kept in"), footer=str(run.num_kept), justify="right")
    for pair in comparison.pairs:
        shared = name_cell(f"{pair.first}, {pair.second}", above="IoU of")
        table.add_column(shared, footer=share(pair.overall.iou), justify="right", style="cyan")
        by_chance = share(pair.overall.iou_by_chance)
        table.add_column("by\nchance", footer=by_chance, justify="right", style="dim")
    for index, group in enumerate(comparison.runs[0].groups):
        kept = [str(len(run.groups[index].kept)) for run in comparison.runs]
        overlaps = [pair.layers[index] for pair in comparison.pairs]
        shares = [share(part) for one in overlaps for part in (one.iou, one.iou_by_chance)]
        table.add_row(name_cell(group.name), str(group.size), *kept, *shares)
    return table


def matrix_table(comparison: Comparison) -> Table:
    """Return the IoU of every two runs over all layers, and behind it that of chance."""
    table = _table(title="IoU of all layers together (by chance)")
    labels = [run.label for run in comparison.runs]
    table.add_column("")
    for label in labels:
        table.add_column(name_cell(label), justify="right")
    for row in labels:
        overlaps = [None if row == other else comparison.pair(row, other).overall for other in labels]
        cells = ["" if one is None else f"{share(one.iou)} ({share(one.iou_by_chance)})" for one in overlaps]
        table.add_row(name_cell(row), *cells)
    return table


def swaps_table(comparison: Comparison) -> Table:
    """Return test accuracies: a line per data set, a column per run whose masks were taken.

    Own masks stand with the standard error, others with the change against the own in percentage points.
    """
    table = _table(title="Test accuracy without a gradient step, by whose masks")
    table.add_column("Data set of", no_wrap=True)
    table.add_column("Test images", justify="right")
    for run in comparison.runs:
        flops = comparison.swap(run.label, run.label).flops_fraction
        heading = name_cell(f"Masks of {run.label}", below=f"{percent(flops)} of FLOPs")
        table.add_column(heading, justify="right")
    for target in comparison.runs:
        own = comparison.swap(target.label, target.label)
        cells = []
        for run in comparison.runs:
            swap = comparison.swap(run.label, target.label)
            change = points(-comparison.swap_cost(run.label, target.label))
            behind = f"± {100 * own.standard_error:.1f}" if swap is own else f"{change:>5}"
            cells.append(Text(f"{percent(swap.test_accuracy)} {behind}", "bold" if swap is own else ""))
        table.add_row(name_cell(target.label), f"{own.test_images:,}", *cells)
    return table


def _table(*, title: str | None = None, show_footer: bool = False) -> Table:
    return Table(
        title=title,
        title_justify="left",
        show_footer=show_footer,
        header_style="bold",
        box=None,
        pad_edge=False,
    )
