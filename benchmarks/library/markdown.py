"""Markdown tables, and numbers as they stand in them."""

from collections.abc import Sequence
from statistics import fmean, stdev


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    Args:
        head: Name of each column.
        rows: Cells of each row.

    Raises:
        ValueError: If a row has another number of cells than the head.
    """
    lines = [head, ["---"] * len(head), *rows]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"Every row must have {len(head)} cells, but got {list(row)}; add or drop some.")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def mean_and_deviation(values: Sequence[float], *, digits: int = 1) -> str:
    """Return `mean ± sample deviation`, the mean alone of one value, and a dash of none."""
    if not values:
        return "-"
    mean = f"{fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {stdev(values):.{digits}f}"
