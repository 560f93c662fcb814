"""What is left of the accuracy beside another library's criteria, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from library.markdown import table
from library.results import Record


def peer_accuracy_table(records: Sequence[Record]) -> str:
    """Set the best criterion of torch-pruning beside remaining errors and a refit.

    Args:
        records: Of `peers_accuracy`.
    """
    rows = sorted((_row(record) for record in records), key=lambda row: row[:2])
    head = [
        "network, data set, images",
        "FLOPs",
        "torch-pruning's best criterion",
        "%",
        "its channels, refitted here",
        "stamp-tf",
        "full",
        "epochs",
        "torch-pruning, trained",
        "stamp-tf, trained",
        "full, trained",
    ]
    return (
        "The same network, weights and images on both sides; every criterion of torch-pruning (L1, L2, batch-norm "
        "scale, Taylor, LAMP; per layer and over all) meets the budget, and the best on the *test images* stands here, "
        "with statistics recalibrated as a refit's are. Both sides of a cut were compared on their outputs. It leaves "
        "the sums of residual networks alone where their shortcut has no parameters, on which it fails. Test accuracy "
        "in per cent, one seed.\n\n" + table(head, rows)
    )


def _row(record: Record) -> list[str]:
    case, figures = record["case"], record["figures"]
    trained: Mapping[str, Any] = figures.get("trained", {})
    best = max(one.get("accuracy", 0.0) for one in figures["torch-pruning"])
    full = figures["full"]
    without, after = full.get("accuracy_without_steps", full["accuracy"]), full["accuracy"]
    return [
        f"{case['network']}, {case['dataset']}, {case['images']:,}",
        f"{case['max_flops']:g}",
        figures["best"],
        *(f"{100 * one:.1f}" for one in (best, figures["refitted"], figures["ours"]["accuracy"], without)),
        str(case["epochs"]) if trained else "",
        *(f"{100 * trained[side]:.1f}" if trained else "" for side in ("torch-pruning", "ours")),
        f"{100 * after:.1f}" if trained else "",
    ]
