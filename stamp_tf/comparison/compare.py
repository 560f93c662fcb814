"""Which channels pruned runs share, and what swapping their masks costs."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.comparison.overlap import Overlap, layer_overlaps, total_overlap
from stamp_tf.comparison.sharing import SharedAt, Similarities, Votes, iou_by_similarity, kept_by_votes
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnStep
from stamp_tf.pruned_runs.masks import RunMasks, read_masks

if TYPE_CHECKING:  # masks are compared without loading Keras
    from stamp_tf.comparison.swap import Swap
    from stamp_tf.references.reference import Reference

logger = logging.getLogger(__name__)

_MOST_VOTERS = 10


@dataclass(frozen=True)
class PairOverlap:
    """What the masks of two runs share.

    Args:
        first: Label of one run.
        second: Label of the other.
        layers: Layer by layer, in the network's order.
    """

    first: str
    second: str
    layers: tuple[Overlap, ...]

    @cached_property
    def overall(self) -> Overlap:
        """All layers together."""
        return total_overlap(self.layers)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Pruned runs of one backbone beside each other.

    Args:
        runs: In the order given.
        pairs: Every two of them, in that order.
        swaps: Every run's masks on every run's data set, data set by data set; empty where not asked for.
        warnings: What a reader has to know, a sentence each.
    """

    runs: tuple[RunMasks, ...]
    pairs: tuple[PairOverlap, ...]
    swaps: tuple[Swap, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def sharing(self) -> tuple[SharedAt, ...]:
        """What pairs share by layer, over how many classes they have in common; empty where names do not tell."""
        return iou_by_similarity([run.groups for run in self.runs], self._common) if self._common else ()

    @cached_property
    def votes(self) -> tuple[Votes, ...]:
        """Layer by layer, which filters runs keep over how many similar ones keep them; empty of fewer than three runs.

        Of each run the ten others vote that share the most classes with it, or all others where there are fewer.
        """
        runs = [run.groups for run in self.runs]
        common = self._common or [[0] * len(runs)] * len(runs)
        num_voters = min(_MOST_VOTERS, len(runs) - 1)
        return kept_by_votes(runs, common, num_voters=num_voters) if num_voters > 1 else ()

    @cached_property
    def _common(self) -> Similarities:
        """Classes that every two runs have in common; empty where some are unknown or only numbered."""
        # Tables of masks do without, and without NumPy.
        from stamp_tf.baselines.similarity import shared_classes
        from stamp_tf.data.class_names import are_numbers

        names = [run.class_names for run in self.runs]
        if any(are_numbers(own) for own in names):
            return ()
        return [[shared_classes(first, second) for second in names] for first in names]

    def pair(self, first: str, second: str) -> PairOverlap:
        """Return the overlap of two runs by their labels, in either order."""
        return next(pair for pair in self.pairs if {pair.first, pair.second} == {first, second})

    def swap(self, masks_of: str, dataset_of: str) -> Swap:
        """Return the result of one run's masks on another's data set, by their labels."""
        return next(swap for swap in self.swaps if (swap.masks_of, swap.dataset_of) == (masks_of, dataset_of))

    def swap_cost(self, masks_of: str, dataset_of: str) -> float:
        """Return the test accuracy that is lost by another run's masks in place of the own ones."""
        own = self.swap(dataset_of, dataset_of)
        return own.test_accuracy - self.swap(masks_of, dataset_of).test_accuracy

    def to_json(self) -> dict[str, Any]:
        """Return the content of `compare.json`."""
        return {
            "backbone": {key: value for key, value in self.runs[0].backbone.items() if key != "num_classes"},
            "warnings": list(self.warnings),
            "runs": [run.to_json() for run in self.runs],
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    **_overlap_json(pair.overall),
                    "layers": [{"name": layer.name, **_overlap_json(layer)} for layer in pair.layers],
                }
                for pair in self.pairs
            ],
            "by_shared_classes": [dataclasses.asdict(level) for level in self.sharing],
            "by_votes": [dataclasses.asdict(layer) | {"odds": layer.odds} for layer in self.votes],
            "swaps": [
                dataclasses.asdict(swap)
                | {"standard_error": swap.standard_error}
                | {"cost": self.swap_cost(swap.masks_of, swap.dataset_of)}
                for swap in self.swaps
            ],
        }


def compare(
    runs: Sequence[str | Path],
    *,
    swap: bool = False,
    reference: Reference | str | Path | None = None,
    on_step: OnStep | None = None,
) -> Comparison:
    """Return which channels the masks of pruned runs share, and on request what swapping them costs.

    Args:
        runs: Two or more run directories of `prune`, all of one backbone.
        swap: Whether to measure every run's masks on every run's data set, without a gradient step.
        reference: What the masks are cut from in swapping; None takes what the runs name.
        on_step: As in `add_swaps`.

    Raises:
        StampError: If there are fewer than two runs, one is named twice or is none, their backbones differ, or
            a data set or reference that swapping needs is gone.

    Example:
        >>> comparison = stamp_tf.compare(["runs/digits", "runs/signs"])
        >>> overall = comparison.pairs[0].overall
        >>> overall.iou, overall.iou_by_chance
    """
    check_arguments(swap=(swap, bool), on_step=(on_step, Callable | None))
    if reference is not None and not swap:
        raise StampError(
            "`reference` needs `swap=True`, but it is not given; add `swap=True`, or leave `reference` out."
        )
    is_one = isinstance(runs, str | Path) or not hasattr(runs, "__iter__")
    folders = [as_path(run, "runs") for run in ([runs] if is_one else runs)]
    if len(folders) < 2:
        raise StampError(
            f"`runs` must be given at least twice, but came {('not at all', 'once')[len(folders)]}; "
            "name the folders of two pruned runs.",
        )
    for first, second in combinations(folders, 2):
        if os.path.realpath(first) == os.path.realpath(second):
            raise StampError(
                f"Each `run` must be another one, but {first} and {second} are the same; leave one out."
            )
    masks = [read_masks(folder) for folder in folders]
    for other in masks[1:]:
        if other.channels != masks[0].channels:
            raise StampError(
                f"Every `run` must be of the same backbone, but {masks[0].run.path} is of "
                f"{masks[0].network_in_words()} and {other.run.path} of {other.network_in_words()}; "
                "compare runs of one reference."
            )
    if len({one.label for one in masks}) < len(masks):
        masks = [dataclasses.replace(one, label=str(one.run.path)) for one in masks]
    pairs = tuple(
        PairOverlap(first.label, second.label, layer_overlaps(first.groups, second.groups))
        for first, second in combinations(masks, 2)
    )
    comparison = Comparison(runs=tuple(masks), pairs=pairs, warnings=_warnings(masks))
    for words in comparison.warnings:
        logger.warning("Warning: %s", words)
    if not swap:
        return comparison
    from stamp_tf.comparison.swap import add_swaps

    return add_swaps(comparison, reference=reference, on_step=on_step)


def _warnings(runs: Sequence[RunMasks]) -> tuple[str, ...]:
    """Say where the same channel number need not mean the same channel."""
    silent = [run.label for run in runs if run.reference is None]
    if silent:
        return (
            f"{' and '.join(silent)} {'does' if len(silent) == 1 else 'do'} not say which reference the channels "
            "are of, and in differently trained networks the same channel number means different things.",
        )
    if len({run.reference for run in runs}) > 1:
        named = ", ".join(f"{run.label} of {run.reference}" for run in runs)
        return (
            f"The runs are cut from different references ({named}), in which the same channel number means "
            "different things.",
        )
    return ()


def _overlap_json(overlap: Overlap) -> dict[str, Any]:
    return {
        "channels": overlap.size,
        "kept": [overlap.num_first, overlap.num_second],
        "shared": overlap.shared,
        "iou": overlap.iou,
        "iou_by_chance": overlap.iou_by_chance,
        "iou_at_most": overlap.iou_at_most,
    }
