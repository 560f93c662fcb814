"""Filter sharing over similarity, against counts by hand."""

import pytest

from stamp_tf.comparison.sharing import all_layers, iou_by_similarity, kept_by_votes
from stamp_tf.report.report import GroupRow


def run(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[GroupRow, ...]:
    return GroupRow("conv1", 3, first), GroupRow("conv2", 4, second)


RUNS = (run((0,), (0, 1)), run((0, 1), (1, 2)), run((1,), (0, 1, 2)), run((2,), (3,)))
# The first three are alike, the last is a stranger to all.
SIMILARITIES = ((5, 2, 1, 0), (2, 5, 2, 0), (1, 2, 5, 0), (0, 0, 0, 5))


def test_iou_is_that_of_pairs_of_one_similarity() -> None:
    levels = iou_by_similarity(RUNS, SIMILARITIES)
    assert [(level.similarity, level.num_pairs) for level in levels] == [(0, 3), (1, 1), (2, 2)]
    # Pairs of two shared classes: runs 0 and 1, runs 1 and 2.
    assert levels[2].iou == pytest.approx(((1 / 2 + 1 / 2) / 2, (1 / 3 + 2 / 3) / 2))
    assert levels[2].deviation == pytest.approx((0, 1 / 6))
    assert levels[1].iou == pytest.approx((0, 2 / 3))


def test_votes_are_those_of_the_most_similar_runs() -> None:
    first, second = kept_by_votes(RUNS[:3], [row[:3] for row in SIMILARITIES[:3]], num_voters=2)
    # conv1: votes of the two others for channels 0, 1, 2 are (1, 2, 0), (1, 1, 0) and (2, 1, 0).
    assert (first.filters, first.kept) == ((3, 4, 2), (0, 1 + 2 + 1, 0))
    assert first.odds == (0, 1, 0)
    # conv2: (1, 2, 2, 0), (2, 2, 1, 0) and (1, 2, 1, 0).
    assert (second.filters, second.kept) == ((3, 4, 5), (0, 1 + 1 + 2, 1 + 1 + 1))
    assert all_layers((first, second)).filters == (6, 8, 7)


def test_only_runs_with_enough_similar_ones_are_counted() -> None:
    (layer, _) = kept_by_votes(RUNS, SIMILARITIES, num_voters=2, similarity=2)
    # Run 1 alone has two others of similarity 2, which both share nothing with each other in conv1.
    assert (layer.filters, layer.kept) == ((1, 2, 0), (0, 2, 0))
    assert layer.odds == (0, 1, None)
    assert kept_by_votes(RUNS, SIMILARITIES, num_voters=3, similarity=2) == ()
