"""What batch normalisation goes by in fine-tuning, as a table."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record, grouped, unique


def batch_norm_table(records: Sequence[Record]) -> str:
    """Set kinds of statistics beside each other, from the same start.

    Args:
        records: Of `batch_norm`.
    """
    parts = [
        "Test accuracy in per cent of a refitted network before and after fine-tuning; mean over seeds. *Batch*: by "
        "the statistics of each batch, which the refit has settled; *frozen*: by moving ones that stay; *batch, not "
        "settled*: by those of each batch where the refit has left the full network's, as it once did."
    ]
    names = ("network", "dataset", "images")
    for (network, dataset, images), rows in grouped(records, *names).items():
        ways = unique(row["case"]["way"] for row in rows)
        parts.append(f"**{network}**, {dataset}, {images} images")
        lines = []
        for (budget, epochs, rate), cases in grouped(rows, "max_flops", "epochs", "learning_rate").items():
            accuracies = [[case for case in cases if case["case"]["way"] == way] for way in ways]
            lines.append(
                [f"{budget:g}", str(epochs), f"{rate:g}", _mean(cases, "accuracy_without_steps")]
                + [_mean(found, "accuracy") for found in accuracies]
            )
        parts.append(table(["FLOPs", "epochs", "rate", "no step", *ways], lines))
    return "\n\n".join(parts)


def _mean(records: Sequence[Record], name: str) -> str:
    values = [100 * record["figures"][name] for record in records]
    return f"{sum(values) / len(values):.1f}" if values else ""
