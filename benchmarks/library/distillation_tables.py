"""What a teacher adds to fine-tuning, as a table."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record, grouped


def distillation_table(records: Sequence[Record]) -> str:
    """Set shares and temperatures beside labels alone.

    Args:
        records: Of `distillation`.
    """
    parts = [
        "Test accuracy in per cent after fine-tuning; mean over seeds. The network is cut by remaining errors and "
        "refitted, and keeps its head; *gain* is that over share 0, labels alone, from the same start on the same "
        "images in the same order, paired by seed. *Time*: of training, as a multiple of that without a teacher."
    ]
    names = ("network", "dataset", "images", "epochs", "learning_rate")
    for (network, dataset, images, epochs, rate), rows in grouped(records, *names).items():
        full = _mean([100 * row["figures"]["accuracy_of_full"] for row in rows])
        parts.append(
            f"**{network}**, {dataset}, {images} images, {epochs} epochs, rate {rate:g}; full network {full} %"
        )
        head = ["FLOPs", "share", "temperature", "no step", "fine-tuned", "gain", "time", "seeds"]
        parts.append(table(head, _rows(rows)))
    return "\n\n".join(parts)


def _rows(records: Sequence[Record]) -> list[list[str]]:
    alone = {
        (row["case"]["max_flops"], row["case"]["seed"]): row["figures"]
        for row in records
        if not row["case"]["distill"]
    }
    rows = []
    for (budget, share, temperature), cases in grouped(
        records, "max_flops", "distill", "temperature"
    ).items():
        found = [case["figures"] for case in cases]
        pairs = [
            (case["figures"], alone[budget, case["case"]["seed"]])
            for case in cases
            if share and (budget, case["case"]["seed"]) in alone
        ]
        gains = [100 * (figures["accuracy"] - other["accuracy"]) for figures, other in pairs]
        times = [figures["seconds"] / other["seconds"] for figures, other in pairs]
        rows.append(
            [
                f"{budget:g}",
                f"{share:g}",
                "" if temperature is None else f"{temperature:g}",
                _mean([100 * figures["accuracy_without_steps"] for figures in found]),
                _mean([100 * figures["accuracy"] for figures in found]),
                f"{sum(gains) / len(gains):+.1f}" if gains else "",
                _mean(times),
                str(len(found)),
            ]
        )
    return rows


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1f}" if values else ""
