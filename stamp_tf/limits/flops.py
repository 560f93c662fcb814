"""The limit on FLOPs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stamp_tf.limits.fraction import FractionKind, rounded_up

if TYPE_CHECKING:
    from stamp_tf.channel_mask import ChannelMask
    from stamp_tf.limits.kind import Costs


class Flops(FractionKind):
    """Most multiply-adds for one image, as a fraction of the full network's."""

    name = "max_flops"
    quantity = "FLOPs"
    help = "Keep at most this part of the multiply-adds."

    def measure(self, cost: Costs, mask: ChannelMask, value: float) -> float:
        return float(cost.exact_fractions(mask)[1])

    def enough(self, cost: Costs, mask: ChannelMask) -> str:
        return rounded_up(cost.exact_fractions(mask)[1])
