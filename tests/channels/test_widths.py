"""Rules for widths: multiples, a least number, layers that keep all."""

import keras
import numpy as np
import pytest

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut, ChannelMap, CostModel, WidthRules
from stamp_tf.errors import StampError

# The groups of the toy network have 6, 10 and 7 channels.


def cut_of(network: keras.Model, channel_map: ChannelMap, **rules: object) -> ChannelCut:
    return ChannelCut(channel_map, CostModel(network, channel_map), rules=WidthRules(**rules))


def widths(channel_map: ChannelMap, mask: ChannelMask) -> list[int]:
    return [len(kept) for kept in channel_map.kept(mask).values()]


def test_widths_are_multiples_even_where_the_budget_would_allow_all(
    network: keras.Model, channel_map: ChannelMap
) -> None:
    scores = np.random.default_rng(0).normal(size=channel_map.num_channels)
    mask = cut_of(network, channel_map, round_to=4).meet(scores, Budget())
    assert channel_map.group_sizes == (6, 10, 7)
    assert widths(channel_map, mask) == [4, 8, 4]
    for group in channel_map.groups:
        kept = mask.kept[group.slice]
        assert scores[group.slice][kept].min() > scores[group.slice][~kept].max()


def test_a_group_smaller_than_a_multiple_keeps_all(network: keras.Model, channel_map: ChannelMap) -> None:
    cut = cut_of(network, channel_map, round_to=7)
    assert widths(channel_map, cut.meet(np.zeros(23), Budget())) == [6, 7, 7]


def test_a_least_number_is_rounded_up_as_far_as_the_group_goes(
    network: keras.Model, channel_map: ChannelMap
) -> None:
    smallest, largest = WidthRules(min_channels=5, round_to=4).bounds(channel_map)
    assert smallest.tolist() == [6, 8, 7]
    assert largest.tolist() == [6, 8, 7]


def test_a_block_comes_in_with_its_worst_channel(network: keras.Model, channel_map: ChannelMap) -> None:
    cut = cut_of(network, channel_map, round_to=2)
    # Best pairs 0; then: group 1 with ranks 6 and 7, group 0 with 8 and 20.
    scores = np.full(23, -100.0) - np.arange(23)
    scores[[0, 1, 2, 3]] = 10, 9, 8, -50
    scores[[6, 7, 8, 9]] = 7, 6, 5, 4
    ranking = cut.rank(scores)
    assert np.flatnonzero(ranking.steps == 1).tolist() == [8, 9]
    assert np.flatnonzero(ranking.steps == 2).tolist() == [2, 3]


@pytest.mark.parametrize("pattern", ["conv2", "c*2", "conv[2]"])
def test_layers_that_match_keep_all(network: keras.Model, channel_map: ChannelMap, pattern: str) -> None:
    mask = cut_of(network, channel_map, keep=[pattern]).meet(-np.arange(23), Budget(max_flops=0.7))
    assert widths(channel_map, mask)[1] == 10
    assert not mask.keeps_all


def test_where_all_layers_keep_all_there_is_one_mask(network: keras.Model, channel_map: ChannelMap) -> None:
    ranking = cut_of(network, channel_map, keep=["conv?"]).rank(np.zeros(23))
    assert ranking.num_steps == 0
    assert ranking.mask(0).keeps_all


def test_any_of_the_tied_layers_keeps_the_group(network: keras.Model, channel_map: ChannelMap) -> None:
    assert channel_map.groups[2].producers == ("conv3", "conv4")
    assert WidthRules(keep="conv4").kept_groups(channel_map).tolist() == [False, False, True]


def test_a_kept_layer_need_not_be_a_multiple(network: keras.Model, channel_map: ChannelMap) -> None:
    cut = cut_of(network, channel_map, keep=("conv3",), round_to=4)
    assert widths(channel_map, cut.meet(np.zeros(23), Budget())) == [4, 8, 7]


def test_an_unknown_pattern_is_refused_with_the_nearest(
    network: keras.Model, channel_map: ChannelMap
) -> None:
    with pytest.raises(StampError, match=r"--keep .* none matches 'cnv2'. Did you mean 'conv2'\?"):
        cut_of(network, channel_map, keep=("conv1", "cnv2"))


def test_a_layer_whose_channels_stay_anyway_is_refused(network: keras.Model, channel_map: ChannelMap) -> None:
    with pytest.raises(StampError, match="--keep must name layers whose channels can be removed"):
        cut_of(network, channel_map, keep=("logits",))


@pytest.mark.parametrize("value", [0, -8])
def test_numbers_below_one_are_refused(value: int) -> None:
    with pytest.raises(StampError, match=f"--round-to must be at least 1, but got {value}"):
        WidthRules(round_to=value)
    with pytest.raises(StampError, match=f"--min-channels must be at least 1, but got {value}"):
        WidthRules(min_channels=value)


def test_an_unreachable_budget_names_the_rules_that_stand_in_the_way(
    network: keras.Model, channel_map: ChannelMap
) -> None:
    cut = cut_of(network, channel_map, round_to=4, min_channels=3, keep=("conv1",))
    rules = "ask for less than --min-channels 3 --round-to 4 --keep 'conv1'"
    with pytest.raises(StampError, match=f"but got 0.1; raise it, {rules}, or choose"):
        cut.meet(np.zeros(23), Budget(max_flops=0.1))


def test_masks_that_follow_the_rules_are_told_from_others(
    network: keras.Model, channel_map: ChannelMap
) -> None:
    rules = WidthRules(round_to=3, keep=("conv3",))
    mask = cut_of(network, channel_map, round_to=3, keep=("conv3",)).meet(
        np.arange(23), Budget(max_flops=0.7)
    )
    assert rules.allow(channel_map, mask)
    for channel in (0, 22):
        other = np.array(mask)
        other[channel] = 1 - other[channel]
        assert not rules.allow(channel_map, ChannelMask(other))


def test_training_masks_single_channels(network: keras.Model, channel_map: ChannelMap) -> None:
    with pytest.raises(StampError, match="Training masks single channels, but got --round-to 4"):
        cut_of(network, channel_map, round_to=4).straight_through(np.zeros(23), np.array([1.0, 0.5]))
