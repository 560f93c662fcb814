"""The limit on parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stamp_tf.limits.fraction import FractionKind, rounded_up

if TYPE_CHECKING:
    from stamp_tf.channel_mask import ChannelMask
    from stamp_tf.limits.kind import Costs


class Parameters(FractionKind):
    """Most parameters, as a fraction of the full network's."""

    name = "keep_params"
    quantity = "parameters"
    help = "Keep at most this part of the parameters."
    needs_image_size = False

    def measure(self, cost: Costs, mask: ChannelMask, value: float) -> float:
        return float(cost.exact_fractions(mask)[0])

    def enough(self, cost: Costs, mask: ChannelMask) -> str:
        return rounded_up(cost.exact_fractions(mask)[0])
