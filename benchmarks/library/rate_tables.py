"""Accuracy by the rate that fine-tuning starts at."""

from collections.abc import Sequence

from library.markdown import mean_and_deviation, table
from library.pruning_tables import DATASETS, METHODS
from library.results import Record, grouped, rate_of


def rate_table(records: Sequence[Record]) -> str:
    """Set accuracies at several rates side by side.

    Args:
        records: Of `pruning_cost` with `--learning-rate`.
    """
    rates = sorted({rate_of(record) for record in records}, reverse=True)
    rows = []
    names = ("backbone", "reference", "dataset", "train_size", "epochs", "method", "max_flops")
    for (backbone, reference, dataset, size, epochs, method, budget), cases in grouped(
        records, *names
    ).items():
        before = [100 * case["figures"]["accuracy_without_steps"] for case in cases]
        rows.append(
            [
                f"{backbone} ({reference})",
                f"{DATASETS[dataset]}, {size:,}, {epochs} epochs",
                METHODS[method],
                f"{budget:g}",
                f"{sum(before) / len(before):.1f}",
                *(
                    mean_and_deviation(
                        [100 * case["figures"]["accuracy"] for case in cases if rate_of(case) == rate]
                    )
                    for rate in rates
                ),
                str(len({case["seed"] for case in cases})),
            ]
        )
    return (
        "Test accuracy in per cent. A low rate keeps more of what the reference has learnt; images unlike those that "
        "it was trained on need a high one.\n\n"
        + table(
            ["network", "images", "", "FLOPs ≤", "no step", *(f"at {rate:g}" for rate in rates), "seeds"],
            rows,
        )
    )
