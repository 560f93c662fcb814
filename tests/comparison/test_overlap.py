"""Shared channels are counted, and chance and widths give the right yardsticks."""

from itertools import combinations

import pytest

from stamp_tf.comparison.overlap import layer_overlaps, total_overlap
from stamp_tf.report.report import GroupRow

FIRST = (GroupRow("conv1", 4, (0, 1)), GroupRow("conv2", 8, (0, 1, 2, 3, 4, 5)))
SECOND = (GroupRow("conv1", 4, (1, 2)), GroupRow("conv2", 8, (4, 5, 6)))


def test_iou_counts_kept_channels() -> None:
    layers = layer_overlaps(FIRST, SECOND)
    assert [layer.name for layer in layers] == ["conv1", "conv2"]
    assert [layer.iou for layer in layers] == [1 / 3, 2 / 7]


def test_a_mask_shares_all_with_itself() -> None:
    overall = total_overlap(layer_overlaps(FIRST, FIRST))
    assert overall.iou == overall.iou_at_most == 1.0


def test_overall_every_channel_counts_alike() -> None:
    overall = total_overlap(layer_overlaps(FIRST, SECOND))
    assert (overall.size, overall.num_first, overall.num_second, overall.shared) == (12, 8, 5, 3)
    assert overall.iou == 3 / 10


def test_chance_is_the_mean_of_all_masks_of_the_widths() -> None:
    (layer,) = layer_overlaps((GroupRow("conv", 6, (0, 1, 2, 3)),), (GroupRow("conv", 6, (0, 1)),))
    pairs = [(first, second) for first in combinations(range(6), 4) for second in combinations(range(6), 2)]
    mean = sum(len({*first} & {*second}) for first, second in pairs) / len(pairs)
    assert layer.shared_by_chance == pytest.approx(mean)
    assert layer.iou_by_chance == pytest.approx(mean / (4 + 2 - mean))


def test_widths_bound_the_iou() -> None:
    (layer,) = layer_overlaps((GroupRow("conv", 8, (0, 1)),), (GroupRow("conv", 8, (0, 1, 2, 3)),))
    assert layer.iou == layer.iou_at_most == 0.5


def test_other_layers_are_no_masks_of_the_same_network() -> None:
    with pytest.raises(ValueError, match="shorter"):
        layer_overlaps(FIRST, SECOND[:1])
