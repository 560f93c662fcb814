"""Rows from a traced network agree with its cost."""

import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.cost import CostModel
from stamp_tf.channels.trace import trace_channels
from stamp_tf.report.report import LayerRow
from stamp_tf.report.rows import fold_layers, group_rows, layer_rows


def test_layers_sum_to_the_cost_before_and_after(residual_network) -> None:
    channel_map = trace_channels(residual_network)
    cost_model = CostModel(residual_network, channel_map)
    mask = np.ones(channel_map.num_channels)
    mask[0] = 0
    rows = layer_rows(cost_model, ChannelMask(mask))
    assert sum(row.params_before for row in rows) == cost_model.parameters(np.ones_like(mask))
    assert sum(row.params_after for row in rows) == cost_model.parameters(mask)
    assert sum(row.flops_after for row in rows) == cost_model.flops(mask)


def test_groups_list_the_kept_indices(residual_network) -> None:
    channel_map = trace_channels(residual_network)
    mask = np.ones(channel_map.num_channels)
    mask[1] = 0
    rows = group_rows(channel_map, ChannelMask(mask))
    assert [row.size for row in rows] == [group.size for group in channel_map.groups]
    assert 1 not in rows[0].kept
    assert len(rows[0].kept) == rows[0].size - 1


def test_layers_without_multiply_adds_share_one_row() -> None:
    rows = (
        LayerRow(
            name="conv1",
            kind="Conv2D",
            channels_before=8,
            channels_after=4,
            params_before=80,
            params_after=40,
            flops_before=800,
            flops_after=400,
        ),
        LayerRow(
            name="bn1",
            kind="BatchNormalization",
            channels_before=8,
            channels_after=4,
            params_before=16,
            params_after=8,
            flops_before=0,
            flops_after=0,
        ),
        LayerRow(
            name="conv2",
            kind="Conv2D",
            channels_before=8,
            channels_after=4,
            params_before=80,
            params_after=20,
            flops_before=800,
            flops_after=200,
        ),
        LayerRow(
            name="bn2",
            kind="BatchNormalization",
            channels_before=8,
            channels_after=4,
            params_before=16,
            params_after=8,
            flops_before=0,
            flops_after=0,
        ),
    )
    folded = fold_layers(rows)
    assert [row.name for row in folded] == ["conv1", "conv2", "2 others"]
    assert folded[-1] == LayerRow(
        name="2 others",
        kind="BatchNormalization",
        channels_before=0,
        channels_after=0,
        params_before=32,
        params_after=16,
        flops_before=0,
        flops_after=0,
    )
