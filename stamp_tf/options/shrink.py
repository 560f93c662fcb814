"""Options of shrinking a network without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stamp_tf.options.option import option
from stamp_tf.options.size import SizeOptions
from stamp_tf.seeds import LARGEST_SEED


@dataclass(frozen=True, kw_only=True)
class ShrinkConfig(SizeOptions):
    """Options of shrinking a network without labels.

    Each kind of limit on cost is a field, too, such as `max_flops=0.5`; `stamp_tf/limits/` says in which unit.
    """

    method: Literal["remaining-error", "l1"] = option(
        "remaining-error",
        help="Rank channels by the error that is left without them, or by the size of their kernels.",
    )
    most_inputs: int = option(1000, least=1, help="Look at no more than this many of the inputs.")
    distill_steps: int = option(
        0, least=0, help="Then so many steps of Adam towards the full network's outputs."
    )
    seed: int = option(
        0, least=0, most=LARGEST_SEED, help="Of which inputs, at which places, in which order."
    )
