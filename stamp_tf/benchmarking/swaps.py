"""What the masks of a case are worth on the data sets of others, and theirs on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from stamp_tf.benchmarking.cases import Case
from stamp_tf.benchmarking.folder import SuiteFolder
from stamp_tf.benchmarking.summary import Summary
from stamp_tf.comparison.swap import accuracy_of_mask
from stamp_tf.data import DataSet, load_dataset
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.target import Target, refits

_COLUMNS = ("Method", "Data set", "Masks of", "Seeds", "Own masks (%)", "Swapped masks (%)", "Points lost")


def swaps_of(folder: SuiteFolder, case: Case, result: PruneResult) -> list[dict[str, Any]]:
    """Swap masks with those of every other data set that is done, at the same row, size and seed.

    The reference is sliced by each mask, and statistics, head and, where the row's are, kernels are fitted in closed
    form, without a gradient step.

    Args:
        folder: Of the suite.
        case: The case that was just run.
        result: Of it.

    Returns:
        Of both directions `dataset_of`, `masks_of`, `own` (the accuracy by the data set's own masks) and `swapped`.
    """
    reference, found = result.reference, []
    own = Target.of(reference, result.dataset, normalization=result.normalization)
    for other in folder.setup.cases:
        alike = (other.row, other.train_size, other.seed, other.task)
        is_other = other.target != case.target and alike == (case.row, case.train_size, case.seed, case.task)
        if not is_other or not folder.record(other).exists():
            continue
        mask = reference.channel_map.mask_of(folder.read(other)["kept"])
        target = Target.of(reference, _load(folder, other, result))
        for at, first, second in ((own, case, other), (target, other, case)):
            masks = (result.mask, mask) if at is own else (mask, result.mask)
            kept, swapped = (
                accuracy_of_mask(at, one, seed=case.seed, is_refitted=refits(result.config, reference))
                for one in masks
            )
            found.append(
                {"dataset_of": first.target, "masks_of": second.target, "own": kept, "swapped": swapped}
            )
    return found


def swaps_table(found: Sequence[Summary]) -> list[tuple[str, ...]]:
    """Return cells, the names of the columns first; what is lost stands with two standard errors over seeds.

    Args:
        found: All summaries.
    """
    gathered: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in found:
        for record in one.records:
            for swap in record.get("swaps", ()):
                gathered.setdefault((one.row.title, swap["dataset_of"], swap["masks_of"]), []).append(swap)
    return [
        _COLUMNS,
        *((*names, str(len(swaps)), *_cells(swaps)) for names, swaps in sorted(gathered.items())),
    ]


def _cells(swaps: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    lost = [100 * (swap["own"] - swap["swapped"]) for swap in swaps]
    error = f" ± {2 * stdev(lost) / len(lost) ** 0.5:.2f}" if len(lost) > 1 else ""
    own, swapped = (f"{100 * mean(swap[name] for swap in swaps):.2f}" for name in ("own", "swapped"))
    return own, swapped, f"{mean(lost):.2f}{error}"


def _load(folder: SuiteFolder, case: Case, result: PruneResult) -> DataSet:
    return load_dataset(
        folder.setup.spec(case),
        image_shape=result.reference.backbone.input_shape,
        train_size=case.train_size or None,
        seed=case.seed,
    )
