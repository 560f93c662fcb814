"""Options of shrinking a network without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.fields import check_fields
from stamp_tf.options.limits import LimitFields
from stamp_tf.options.option import option
from stamp_tf.seeds import LARGEST_SEED


@dataclass(frozen=True, kw_only=True)
class ShrinkConfig(LimitFields):
    """Options of shrinking a network without labels.

    Each kind of limit on cost is a field, too, such as `max_flops=0.5`; `stamp_tf/limits/` says in which unit.
    """

    method: Literal["remaining-error", "l1"] = option(
        "remaining-error",
        help="Rank channels by the error that is left without them, or by the size of their kernels.",
    )
    round_to: int = option(1, least=1, help="Round every layer's width down to a multiple of this.")
    min_channels: int = option(1, least=1, help="Keep at least this many channels of every layer.")
    keep: tuple[str, ...] | str = option(
        (),
        metavar="PATTERN",
        such_as="'stem*'",
        is_repeatable=True,
        help="Keep all channels of the layers whose path matches, such as 'stem*'; may be repeated.",
    )
    most_inputs: int = option(1000, least=1, help="Look at no more than this many of the inputs.")
    distill_steps: int = option(
        0, least=0, help="Then so many steps of Adam towards the full network's outputs."
    )
    seed: int = option(
        0, least=0, most=LARGEST_SEED, help="Of which inputs, at which places, in which order."
    )

    def __post_init__(self) -> None:
        check_fields(self)
        for kind in KINDS:
            if (value := getattr(self, kind.name)) is not None:
                kind.check(value)
        object.__setattr__(self, "keep", (self.keep,) if isinstance(self.keep, str) else self.keep)
