"""Rows of the report from a traced network, its cost and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.report.report import GroupRow, LayerRow, SpeedRow

if TYPE_CHECKING:  # a page is drawn from a report without loading Keras
    from stamp_tf.channels.cost import CostModel
    from stamp_tf.channels.groups import ChannelMap
    from stamp_tf.measure.speed import Speed
    from stamp_tf.weight_mask import WeightMask


def layer_rows(
    cost_model: CostModel, mask: ChannelMask, weights: WeightMask | None = None
) -> tuple[LayerRow, ...]:
    """Return every layer that holds weights, before and after.

    Args:
        cost_model: Cost of the full network.
        mask: Which channels stay, `[C]`.
        weights: Which single weights stay; those that go do not count as parameters.
    """
    removed = {} if weights is None else weights.removed_by_layer()
    before = cost_model.table(ChannelMask.all_of(len(mask)))
    return tuple(
        LayerRow(
            name=full.name,
            kind=full.kind,
            channels_before=full.channels,
            channels_after=pruned.channels,
            params_before=full.parameters,
            params_after=pruned.parameters - removed.get(full.name, 0),
            flops_before=full.flops,
            flops_after=pruned.flops,
        )
        for full, pruned in zip(before, cost_model.table(mask.hard), strict=True)
    )


def group_rows(channel_map: ChannelMap, mask: ChannelMask) -> tuple[GroupRow, ...]:
    """Return every channel group with the indices that a mask keeps.

    Args:
        channel_map: The traced groups.
        mask: Which channels stay, `[C]`.
    """
    kept = mask.kept_in(channel_map.groups)
    return tuple(GroupRow(group.name, group.size, tuple(kept[group.name])) for group in channel_map.groups)


def fold_layers(rows: Sequence[LayerRow]) -> tuple[LayerRow, ...]:
    """Gather the layers without multiply-adds, such as normalisation, in one last row.

    They hold few parameters and repeat the widths of the layers before them, so that a picture is calmer
    without. Their row has no channels (0).

    Args:
        rows: The layers in the network's order.
    """
    small = [row for row in rows if not row.flops_before]
    large = tuple(row for row in rows if row.flops_before)
    if not small or not large:
        return tuple(rows)
    kinds = {row.kind for row in small}
    kind = kinds.pop() if len(kinds) == 1 else "no multiply-adds"
    name = f"{len(small)} other{'s' if len(small) > 1 else ''}"
    others = LayerRow(
        name=name,
        kind=kind,
        channels_before=0,
        channels_after=0,
        params_before=sum(row.params_before for row in small),
        params_after=sum(row.params_after for row in small),
        flops_before=0,
        flops_after=0,
    )
    return (*large, others)


def speed_rows(speed: Speed, full: str, pruned: str) -> tuple[SpeedRow, ...]:
    """Set the timings of two networks side by side.

    Args:
        speed: What `measure_speed` returned.
        full: Name of the full network.
        pruned: Name of the pruned one.
    """
    cells = [(timing.kind, timing.batch_size) for timing in speed.timings if timing.model == full]
    return tuple(
        SpeedRow(
            kind=kind,
            batch_size=batch_size,
            full_seconds=speed.seconds(full, kind, batch_size=batch_size),
            pruned_seconds=speed.seconds(pruned, kind, batch_size=batch_size),
        )
        for kind, batch_size in cells
    )
