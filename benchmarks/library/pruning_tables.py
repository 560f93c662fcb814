"""Tables of the pruning benchmark: methods side by side, and STAMP's gains over each."""

from collections.abc import Sequence
from statistics import fmean

from library.markdown import mean_and_deviation, table
from library.results import Record, grouped, grouped_by, head_of, rate_of, unique

HEADS = {"logistic": "logistic regression", "ridge": "ridge regression"}
DATASETS = {"cifar10": "CIFAR-10", "gtsrb": "GTSRB", "svhn": "SVHN"}
METHODS = {
    "full": "full network",
    "stamp": "STAMP (K = 0)",
    "stamp-k1": "STAMP (K = 1)",
    "statistic": "class statistics, not learnt",
    "static": "learnt order",
    "static-uniform": "learnt order, uniform widths",
    "l1": "L1, uniform widths",
    "random": "random, uniform widths",
    "stamp-structure": "STAMP-Structure",
}
# Points above random and L1 that STAMP shall gain after fine-tuning, and may lose to the full network without.
WANTED = {0.25: {"random": 8, "l1": 4, "full": 4}, 0.1: {"random": 15, "l1": 14, "full": 10}}
_PHASES_WITHOUT_STEPS = ("propose", "slice", "statistics", "head")


def pruning_tables(records: Sequence[Record]) -> str:
    """Set the methods side by side: after fine-tuning, without a step, and their times."""
    parts = []
    names = ("backbone", "dataset", "train_size", "epochs")
    groups = grouped_by(
        records, lambda record: (*(record["case"][name] for name in names), rate_of(record), head_of(record))
    )
    for (backbone, dataset, size, epochs, rate, head), chosen in groups.items():
        # One reference of STAMP per section; methods may start from another one, which is named.
        references = unique(r["case"]["reference"] for r in chosen if r["case"]["method"].startswith("stamp"))
        for reference in references:
            start = [
                r
                for r in chosen
                if r["case"]["reference"] == reference or r["case"]["method"] in ("random", "l1")
            ]
            parts.append(
                f"### {backbone}, {DATASETS[dataset]}, {size:,} images, {epochs} epochs, rate {rate:g}, "
                f"head by {HEADS[head]} (reference {reference})\n\n"
                + _method_table(start, reference)
                + _gains(start, reference)
            )
    return (
        "Test accuracy in per cent, mean ± sample deviation over seeds (a seed draws the images, the random "
        "channels, the order and the augmentation). *No step* is the fitted head alone. Seconds do not "
        "include loading and testing. A reference's name is a digest of its values.\n\n" + "\n\n".join(parts)
    )


def _method_table(records: Sequence[Record], reference: str) -> str:
    """Return a row per budget and method."""
    rows = []
    order = list(METHODS)
    groups = grouped(records, "max_flops", "method", "reference")
    for (budget, method, start), chosen in sorted(
        groups.items(), key=lambda item: (-item[0][0], order.index(item[0][1]))
    ):
        figures = [record["figures"] for record in chosen]
        rows.append(
            [
                f"{budget:g}",
                METHODS[method] + ("" if start == reference else f" (from {start})"),
                mean_and_deviation([100 * f["accuracy_without_steps"] for f in figures]),
                mean_and_deviation([100 * f["accuracy"] for f in figures]),
                f"{100 * fmean(f['params_fraction'] for f in figures):.1f}",
                f"{100 * fmean(f['flops_fraction'] for f in figures):.1f}",
                mean_and_deviation([seconds_without_steps(f) for f in figures]),
                mean_and_deviation([sum(f["seconds"].values()) for f in figures]),
                str(len(chosen)),
            ]
        )
    return table(
        [
            "FLOPs ≤",
            "method",
            "no step",
            "fine-tuned",
            "params %",
            "FLOPs %",
            "seconds, no step",
            "seconds in all",
            "seeds",
        ],
        rows,
    )


def _gains(records: Sequence[Record], reference: str) -> str:
    """Return STAMP's differences to the others, paired by seed, beside what is wanted; empty without STAMP."""
    rows = []
    by_case = grouped(records, "method", "max_flops", "reference")
    for method, budget, start in sorted(by_case, key=lambda key: -key[1]):
        if method != "stamp" or start != reference:
            continue
        stamp = {record["seed"]: record["figures"] for record in by_case[method, budget, start]}
        wanted = WANTED.get(budget, {})
        for (other, limit, other_start), chosen in sorted(by_case.items()):
            if (other, limit) not in {("random", budget), ("l1", budget), ("full", 1.0)}:
                continue
            figures = {record["seed"]: record["figures"] for record in chosen if record["seed"] in stamp}
            if not figures:
                continue
            name = other + ("" if other_start == reference else f" (from {other_start})")
            goal = f"{wanted[other]:+d}" if other in wanted else ""
            after = [100 * (stamp[seed]["accuracy"] - f["accuracy"]) for seed, f in figures.items()]
            without = [
                100 * (stamp[seed]["accuracy_without_steps"] - f["accuracy_without_steps"])
                for seed, f in figures.items()
            ]
            time_ratio = [
                sum(stamp[seed]["seconds"].values()) / sum(f["seconds"].values())
                for seed, f in figures.items()
            ]
            is_full = other == "full"
            rows.append(
                [
                    f"{budget:g}",
                    name,
                    signed(after),
                    "" if is_full else goal,
                    signed(without),
                    f"-{wanted['full']}" if is_full and wanted else "",
                    mean_and_deviation(time_ratio, digits=2) + (" (≤ 0.60)" if is_full else ""),
                ]
            )
    if not rows:
        return ""
    return "\n\nSTAMP minus another, points, paired by seed:\n\n" + table(
        ["FLOPs ≤", "other", "fine-tuned", "at least", "no step", "at least", "time of STAMP / other"], rows
    )


def seconds_without_steps(figures: Record) -> float:
    """Return the seconds until a network classifies without fine-tuning.

    Args:
        figures: Of one record.
    """
    return sum(figures["seconds"].get(phase, 0.0) for phase in _PHASES_WITHOUT_STEPS)


def signed(values: Sequence[float]) -> str:
    """Return mean and deviation with the mean's sign.

    Args:
        values: Differences, at least one.
    """
    return ("+" if fmean(values) >= 0 else "") + mean_and_deviation(values)
