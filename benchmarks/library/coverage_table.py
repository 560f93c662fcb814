"""How much of published architectures can lose channels, as a table."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record


def coverage_table(records: Sequence[Record]) -> str:
    """Set the prunable share of each network beside the time to trace it and to remove a half.

    Args:
        records: Of `coverage`.
    """
    rows = []
    for record in records:
        figures = record["figures"]
        rows.append(
            [
                record["case"]["network"],
                f"{figures['parameters'] / 1e6:.1f} M",
                f"{100 * figures['share']:.1f} %",
                str(figures["groups"]),
                str(figures["channels"]),
                f"{figures['trace_seconds']:.2f}",
                f"{figures['remove_seconds']:.1f}",
                f"{100 * figures['parameters_left'] / figures['parameters']:.0f} %",
                "; ".join(figures["kept_whole"]),
            ]
        )
    return (
        "Architectures of `keras.applications`. *Share*: parameters of kernels that can lose slices / those of all "
        "kernels. *Left*: parameters after half of every group's channels has gone.\n\n"
        + table(
            [
                "network",
                "parameters",
                "share",
                "groups",
                "channels",
                "trace, s",
                "remove, s",
                "left",
                "kept whole for",
            ],
            rows,
        )
    )
