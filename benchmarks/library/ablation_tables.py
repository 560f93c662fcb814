"""The table of ablations: what is left of accuracy when one thing of the training differs."""

from collections.abc import Sequence
from statistics import fmean

from library.markdown import table
from library.pruning_tables import DATASETS
from library.results import Record, grouped, unique
from library.suite_tables import mean_and_error


def ablation_table(records: Sequence[Record]) -> str:
    """Set all rows side by side, in the order of the records.

    Args:
        records: Of `ablations`.
    """
    budgets = unique(record["case"]["max_flops"] for record in records)
    targets = unique(record["case"]["target"] for record in records)
    lines = []
    for own in grouped(records, "row", "start").values():
        accuracy = [
            fmean(100 * r["figures"]["own"] for r in chosen) if chosen else None
            for target in targets
            for budget in budgets
            for chosen in [_of(own, target, budget)]
        ]
        figures = own[0]["figures"]
        lines.append(
            [
                figures["ablation"],
                figures["title"],
                *("-" if value is None else f"{value:.1f}" for value in accuracy),
                *(mean_and_error(_differences(own, other)) for other in ("static", "swapped")),
                # Masks after steps on the target were not compared.
                f"{100 * fmean(r['figures']['iou'] for r in own):.1f}" if "swapped" in figures else "-",
                str(len(unique(record["seed"] for record in own))),
            ]
        )
    heads = [f"{DATASETS[target]}, {budget:g}" for target in targets for budget in budgets]
    return (
        "Test accuracy in per cent at FLOPs limits, no gradient step but those that *K* names; means over "
        "draws of the training images, one training each. *Own minus learnt* and *own minus swapped* are in "
        "points, over all columns, mean ± standard error over draws and columns; swapped masks were made for the "
        "other target. *IoU*: channels that the masks of both targets share, in per cent of those that either keeps."
        "\n\n"
        + table(
            ["what is varied", "value", *heads, "own minus learnt", "own minus swapped", "IoU", "draws"],
            lines,
        )
    )


def _of(records: Sequence[Record], target: str, budget: float) -> list[Record]:
    return [r for r in records if (r["case"]["target"], r["case"]["max_flops"]) == (target, budget)]


def _differences(records: Sequence[Record], other: str) -> list[float]:
    """Return own minus another mask's accuracy in points, where both were measured."""
    return [
        100 * (record["figures"]["own"] - record["figures"][other])
        for record in records
        if other in record["figures"]
    ]
