"""How filter sharing depends on the similarity of tasks: IoU by layer, and filters that similar runs keep as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, pstdev

from stamp_tf.comparison.overlap import Overlap, layer_overlaps
from stamp_tf.report.report import GroupRow

Similarities = Sequence[Sequence[int | None]]
"""How similar the task of each run is to that of each other, `[runs, runs]`; None for two that are not compared."""


@dataclass(frozen=True, kw_only=True)
class SharedAt:
    """What pairs of runs of one similarity share, layer by layer.

    Args:
        similarity: Of their tasks.
        num_pairs: How many pairs there are.
        iou: Mean over the pairs, of each layer.
        deviation: Standard deviation over the pairs, of each layer; 0 of one pair.
    """

    similarity: int
    num_pairs: int
    iou: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Votes:
    """Filters of a layer by how many of n similar runs keep them, summed over the runs that have n similar ones.

    Args:
        layer: Name of the layer.
        filters: Of those that a of n similar runs keep, for a = 0 to n: how many there are, `[n + 1]`.
        kept: How many of these the run itself keeps, `[n + 1]`.
    """

    layer: str
    filters: tuple[int, ...]
    kept: tuple[int, ...]

    @property
    def odds(self) -> tuple[float | None, ...]:
        """Share of the filters that the run itself keeps, by a; None where no filter has so many votes."""
        return tuple(kept / of if of else None for kept, of in zip(self.kept, self.filters, strict=True))


def iou_by_similarity(runs: Sequence[Sequence[GroupRow]], similarities: Similarities) -> tuple[SharedAt, ...]:
    """Return what runs share over how similar their tasks are, the least similar first.

    Args:
        runs: Kept channels of every group, of each run.
        similarities: Of their tasks.

    Source:
        Zhao et al. 2023, Voting from Nearest Tasks, figures 3 and 7.
    """
    found: dict[int, list[tuple[Overlap, ...]]] = {}
    for one, other in combinations(range(len(runs)), 2):
        if (similarity := similarities[one][other]) is not None:
            found.setdefault(similarity, []).append(layer_overlaps(runs[one], runs[other]))
    return tuple(
        SharedAt(
            similarity=similarity,
            num_pairs=len(pairs),
            iou=tuple(mean(layer.iou for layer in layers) for layers in zip(*pairs, strict=True)),
            deviation=tuple(pstdev(layer.iou for layer in layers) for layers in zip(*pairs, strict=True)),
        )
        for similarity, pairs in sorted(found.items())
    )


def kept_by_votes(
    runs: Sequence[Sequence[GroupRow]],
    similarities: Similarities,
    *,
    num_voters: int,
    similarity: int | None = None,
) -> tuple[Votes, ...]:
    """Return which filters runs keep over how many similar ones keep them; nothing where no run has so many.

    Args:
        runs: Kept channels of every group, of each run.
        similarities: Of their tasks.
        num_voters: How many similar runs are asked, n.
        similarity: Ask those of this similarity; None asks the most similar.

    Returns:
        Votes of each layer.

    Source:
        Zhao et al. 2023, Voting from Nearest Tasks, section 3.3 and figures 4, 8 and 9.
    """
    counts = [
        (group.name, [0] * (num_voters + 1), [0] * (num_voters + 1)) for group in (runs[0] if runs else ())
    ]
    has_any = False
    for number, voters in _voters(similarities, num_voters, similarity):
        has_any = True
        for place, (_, filters, kept) in enumerate(counts):
            own = set(runs[number][place].kept)
            others = [set(runs[voter][place].kept) for voter in voters]
            for channel in range(runs[number][place].size):
                votes = sum(channel in other for other in others)
                filters[votes] += 1
                kept[votes] += channel in own
    if not has_any:
        return ()
    return tuple(
        Votes(layer=name, filters=tuple(filters), kept=tuple(kept)) for name, filters, kept in counts
    )


def all_layers(votes: Sequence[Votes]) -> Votes:
    """Return the votes of all layers together, in which every filter counts alike.

    Args:
        votes: Of each layer.
    """
    return Votes(
        layer="all layers",
        filters=tuple(map(sum, zip(*(one.filters for one in votes), strict=True))),
        kept=tuple(map(sum, zip(*(one.kept for one in votes), strict=True))),
    )


def _voters(
    similarities: Similarities, num_voters: int, similarity: int | None
) -> Iterator[tuple[int, list[int]]]:
    """Yield each run that has enough similar ones, with these; of equally similar ones the first."""
    for number, to_others in enumerate(similarities):
        others = {
            other: to_other
            for other, to_other in enumerate(to_others)
            if other != number and to_other is not None and similarity in (None, to_other)
        }
        if len(others) >= num_voters:
            yield number, sorted(others, key=lambda other: -others[other])[:num_voters]
