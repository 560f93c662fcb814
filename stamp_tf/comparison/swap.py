"""What it costs to prune for one data set by the masks of another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.data import DataSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnStep
from stamp_tf.pruned_runs.cut_from import check_cut_from, reference_of_run
from stamp_tf.pruned_runs.pruned_run import load_run
from stamp_tf.pruning.ready import make_ready, sliced_network
from stamp_tf.pruning.target import Target, is_refit_due
from stamp_tf.references.find import as_reference
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy

if TYPE_CHECKING:
    from stamp_tf.comparison.compare import Comparison
    from stamp_tf.pruned_runs.masks import RunMasks

_OPTION = "`swap=True`"


@dataclass(frozen=True, kw_only=True)
class Swap:
    """One run's masks on one run's data set, without a gradient step.

    Args:
        masks_of: Label of the run whose masks were taken.
        dataset_of: Label of the run whose data set and reference were taken; the same for its own masks.
        test_accuracy: Share of test images classified rightly, in [0, 1].
        test_images: Their number.
        params_fraction: Remaining parameters / all.
        flops_fraction: Remaining multiply-adds / all.
    """

    masks_of: str
    dataset_of: str
    test_accuracy: float
    test_images: int
    params_fraction: float
    flops_fraction: float

    @property
    def standard_error(self) -> float:
        """Standard error of the test accuracy, as if the test images were drawn at random."""
        return math.sqrt(self.test_accuracy * (1 - self.test_accuracy) / self.test_images)


def add_swaps(
    comparison: Comparison,
    *,
    reference: Reference | str | Path | None = None,
    on_step: OnStep | None = None,
) -> Comparison:
    """Measure the masks of every run on the data set of every run.

    The reference is sliced by the mask, and kernels (where the run's were), statistics and head are fitted in closed
    form on the data set, as in pruning; nothing is trained. So a run's own masks stand under the same procedure: its
    fine-tuned network, weights that pruning epochs moved, and soft mask values do not enter.

    Args:
        comparison: The runs.
        reference: What the masks are cut from; None takes what each run names.
        on_step: Called with (networks measured, all networks, figures) after each.

    Returns:
        The comparison with its swaps.

    Raises:
        StampError: If a data set or a reference cannot be loaded, or is not the run's.
    """
    runs = comparison.runs
    for run in runs:
        if run.run.weights.exists():
            raise StampError(
                f"{_OPTION} measures masks of channels, but {run.run.path} ({run.method}) has one of single weights; "
                f"leave that run or {_OPTION} out."
            )
    # All before the first network is measured, because one that is missing would throw the work away.
    references = _references(runs, reference)
    targets = [_load_target(run) for run in runs]
    swaps: list[Swap] = []
    for run, source, (dataset, normalization) in zip(runs, references, targets, strict=True):
        for swap in _measure(run, runs, reference=source, dataset=dataset, normalization=normalization):
            swaps.append(swap)
            if on_step is not None:
                on_step(len(swaps), len(runs) ** 2, {})
    return dataclasses.replace(comparison, swaps=tuple(swaps))


def _measure(
    target: RunMasks,
    runs: Sequence[RunMasks],
    *,
    reference: Reference,
    dataset: DataSet,
    normalization: Normalization,
) -> Iterator[Swap]:
    """Yield the result of every run's masks on one run's data set."""
    fitted = Target.of(reference, dataset, normalization=normalization)
    seed = target.config.get("seed", 0)
    # Runs of before there were refits do not say.
    is_refitted = "refit" in target.config and is_refit_due(target.config["refit"], reference)
    for run in runs:
        mask = reference.channel_map.mask_of({group.name: list(group.kept) for group in run.groups})
        params, flops = (float(fraction) for fraction in fitted.cost.exact_fractions(mask))
        accuracy = accuracy_of_mask(fitted, mask, seed=seed, is_refitted=is_refitted)
        yield Swap(
            masks_of=run.label,
            dataset_of=target.label,
            test_accuracy=accuracy,
            test_images=len(dataset.test),
            params_fraction=params,
            flops_fraction=flops,
        )


def accuracy_of_mask(target: Target, mask: ChannelMask, *, seed: int, is_refitted: bool) -> float:
    """Return the test accuracy that a mask leaves on a data set, without a gradient step, in [0, 1].

    Args:
        target: The data set and what is cut for it.
        mask: Which channels stay, perhaps those of another data set.
        seed: Of everything random.
        is_refitted: Whether kernels behind the cut are refitted.
    """
    small = sliced_network(target, mask)
    make_ready(small, target, seed=seed, refit_mask=mask if is_refitted else None)
    return evaluate_accuracy(small, target.dataset.test, normalization=target.normalization)


def _load_target(run: RunMasks) -> tuple[DataSet, Normalization]:
    """Return a run's data set, and the normalisation that its network was made with."""
    pruned = load_run(run.run.path)
    try:
        return pruned.load_dataset(), pruned.normalization
    except (StampError, KeyError) as error:
        # What loading said, without the remedy that other commands have.
        reason = str(error.__cause__ or error).rstrip(".")
        raise StampError(
            f"`swap=True` needs the data set of {run.run.path}, but it cannot be loaded ({reason}); bring it back, or "
            "leave `swap=True` out."
        ) from error


def _references(runs: Sequence[RunMasks], given: Reference | str | Path | None) -> list[Reference]:
    """Return what each run was cut from, loading none twice."""
    chosen = None if given is None else as_reference(given)
    loaded: dict[str | None, Reference] = {}
    for run in runs:
        source = run.config.get("from")
        if source not in loaded:
            loaded[source] = reference_of_run(run, option=_OPTION) if chosen is None else chosen
        check_cut_from(run, loaded[source], option=_OPTION)
    return [loaded[run.config.get("from")] for run in runs]
