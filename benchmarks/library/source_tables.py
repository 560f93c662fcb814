"""Where the gain comes from: methods from the simplest to STAMP side by side, and STAMP's lead over each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from library.markdown import mean_and_deviation, table
from library.pruning_tables import DATASETS, seconds_without_steps, signed
from library.results import Record, grouped_by, rate_of, unique

SOURCES = {
    "random-plain": "random (plain)",
    "random": "random",
    "l1-plain": "L1 (plain)",
    "l1": "L1",
    "static": "learnt order",
    "static-uniform": "learnt order, uniform widths",
    "statistic": "statistic",
    "stamp": "STAMP K=0",
    "stamp-k1": "STAMP K=1",
    "stamp-structure": "STAMP-Structure",
    "full": "full",
}
"""Rows in order: methods, and `-plain` where random and L1 start from another reference than STAMP."""

EPOCHS = (1, 3, 5, 20)
"""After so many epochs of fine-tuning accuracies are shown."""

_FROM_PLAIN = ("random", "l1")


@dataclass(frozen=True, kw_only=True)
class Section:
    """What can be set side by side: one network, data set, size and length of fine-tuning.

    Args:
        backbone: Its name.
        dataset: Name of the target, such as `cifar10`.
        train_size: Training images.
        epochs: Of fine-tuning.
        learning_rate: Of fine-tuning.
        reference: Digest of the reference that STAMP prunes.
        rows: Records by FLOPs limit and key of `SOURCES`; limits from large to small, `full` last.
    """

    backbone: str
    dataset: str
    train_size: int
    epochs: int
    learning_rate: float
    reference: str
    rows: Mapping[tuple[float, str], Sequence[Record]]

    @property
    def title(self) -> str:
        """Heading of its table or panel."""
        return f"{self.backbone}, {DATASETS[self.dataset]}, {self.train_size:,} images"

    @property
    def plain_references(self) -> list[str]:
        """Digests of the other references that random and L1 start from."""
        starts = [r["case"]["reference"] for records in self.rows.values() for r in records]
        return unique(start for start in starts if start != self.reference)


def sections(records: Sequence[Record]) -> list[Section]:
    """Divide records of `pruning_cost` into what can be compared.

    Args:
        records: Of any networks, data sets and sizes.
    """
    found = []
    names = ("backbone", "dataset", "train_size", "epochs", "test_size")
    groups = grouped_by(records, lambda record: (*(record["case"][name] for name in names), rate_of(record)))
    for (backbone, dataset, size, epochs, _, rate), chosen in groups.items():
        own = unique(r["case"]["reference"] for r in chosen if r["case"]["method"] not in _FROM_PLAIN)
        # Without any other method nothing says which reference is the plain one.
        for reference in own or unique(r["case"]["reference"] for r in chosen):
            rows: dict[tuple[float, str], list[Record]] = {}
            for record in chosen:
                case = record["case"]
                is_own = case["reference"] == reference
                if is_own or (case["method"] in _FROM_PLAIN and case["reference"] not in own):
                    source = case["method"] + ("" if is_own else "-plain")
                    rows.setdefault((case["max_flops"], source), []).append(record)
            order = list(SOURCES)
            keys = sorted(rows, key=lambda key: (key[1] == "full", -key[0], order.index(key[1])))
            found.append(
                Section(
                    backbone=backbone,
                    dataset=dataset,
                    train_size=size,
                    epochs=epochs,
                    learning_rate=rate,
                    reference=reference,
                    rows={key: rows[key] for key in keys},
                )
            )
    return found


def accuracy_after(figures: Record, epoch: int) -> float | None:
    """Return the test accuracy after an epoch of fine-tuning in per cent, or None if it was not measured.

    Args:
        figures: Of one record.
        epoch: Epochs done; 0 is before the first step.
    """
    if epoch == 0:
        return 100 * float(figures["accuracy_without_steps"])
    by_epoch = {record["epoch"]: record["test_accuracy"] for record in figures["epochs"]}
    accuracy = figures["accuracy"] if epoch == max(by_epoch) else by_epoch.get(epoch)
    return None if accuracy is None else 100 * float(accuracy)


def source_tables(records: Sequence[Record]) -> str:
    """Set the methods side by side: without a step, after some epochs, and their times.

    Args:
        records: Of `pruning_cost`, best with `--test-after 1,3,5`.
    """
    parts = []
    for section in sections(records):
        plain = section.plain_references
        parts.append(
            f"### {section.title}, {section.epochs} epochs, rate {section.learning_rate:g}\n\n"
            f"Reference {section.reference}{', plain reference ' + ', '.join(plain) if plain else ''}.\n\n"
            + _accuracy_table(section)
        )
        if leads := _leads(section):
            parts.append(f"STAMP K=0 minus each, points, paired by seed:\n\n{leads}")
    return "\n\n".join(parts)


def _accuracy_table(section: Section) -> str:
    """Return a row per budget and method."""
    epochs = [0, *sorted({e for e in EPOCHS if e < section.epochs} | {section.epochs} - {0})]
    rows = []
    for (budget, source), records in section.rows.items():
        figures = [record["figures"] for record in records]
        accuracies = [[accuracy_after(f, epoch) for f in figures] for epoch in epochs]
        rows.append(
            [
                f"{budget:g}",
                SOURCES[source],
                *(mean_and_deviation([v for v in values if v is not None]) for values in accuracies),
                mean_and_deviation([seconds_without_steps(f) for f in figures]),
                mean_and_deviation([sum(f["seconds"].values()) for f in figures]),
                str(len(unique(record["seed"] for record in records))),
            ]
        )
    names = ["no step", *(f"{epoch} epoch{'' if epoch == 1 else 's'}" for epoch in epochs[1:])]
    return table(["FLOPs ≤", "method", *names, "seconds to prune", "seconds in all", "seeds"], rows)


def _leads(section: Section) -> str:
    """Return STAMP's differences to the others, paired by seed; empty where nothing can be paired."""
    rows = []
    for (budget, source), records in section.rows.items():
        if source != "stamp":
            continue
        stamp = {record["seed"]: record["figures"] for record in records}
        for (limit, other), others in section.rows.items():
            if other == "stamp" or (limit != budget and other != "full"):
                continue
            pairs = [(stamp[r["seed"]], r["figures"]) for r in others if r["seed"] in stamp]
            if not pairs:
                continue
            final, first = (
                [100 * (mine[name] - its[name]) for mine, its in pairs]
                for name in ("accuracy", "accuracy_without_steps")
            )
            rows.append([f"{budget:g}", SOURCES[other], signed(final), signed(first), str(len(pairs))])
    if not rows:
        return ""
    names = [f"{section.epochs} epoch{'' if section.epochs == 1 else 's'}", "no step", "seeds"]
    return table(["FLOPs ≤", "other", *names], rows)
