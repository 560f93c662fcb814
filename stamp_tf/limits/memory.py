"""The limit on activation memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stamp_tf.limits.fraction import rounded_up
from stamp_tf.limits.kind import CountedKind
from stamp_tf.limits.units import with_unit
from stamp_tf.quantities import compact

if TYPE_CHECKING:
    from stamp_tf.channel_mask import ChannelMask
    from stamp_tf.limits.kind import Costs

_BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class ActivationMemory(CountedKind):
    """Most activation memory for one image: up to 1 a fraction of the full network's, above 1 bytes."""

    name = "max_memory"
    quantity = "activation memory"
    help = "Keep at most this part of the activation memory for one image, or a size such as 8MB."
    metavar = "FRACTION|SIZE"
    rule = "a fraction above 0 and at most 1, or a number of bytes"
    example = "0.25 leaves a quarter of the full network's activations"

    def parse(self, text: str) -> float:
        number, unit = with_unit(text, _BYTES)
        if unit is None and 0 < number <= 1:
            return number
        # A size of one byte would read as the fraction 1.
        if unit is not None and 1 < number * unit < math.inf:
            return number * unit
        raise ValueError(
            f"{text!r} must be a fraction above 0 and at most 1, or a size with a unit, such as 8MB "
            f"({', '.join(_BYTES)})."
        )

    def as_typed(self, value: float) -> str:
        return f"{value:g}" if value <= 1 else f"{value:.0f}B"

    def in_words(self, value: float) -> str:
        return f"{value:g}" if value <= 1 else f"{compact(value)}B"

    def measure(self, cost: Costs, mask: ChannelMask, value: float) -> float:
        # A fraction is compared as it was given: bytes would have to be rounded.
        return cost.activation_bytes(mask) / (cost.full_activation_bytes if value <= 1 else 1)

    def enough(self, cost: Costs, mask: ChannelMask) -> str:
        num_bytes = cost.activation_bytes(mask)
        return f"{rounded_up(num_bytes / cost.full_activation_bytes)} or {num_bytes}B"
