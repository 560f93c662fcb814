"""Options of how small a network gets."""

from __future__ import annotations

from dataclasses import dataclass

from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.fields import check_fields
from stamp_tf.options.limits import LimitFields
from stamp_tf.options.option import option


@dataclass(frozen=True, kw_only=True)
class SizeOptions(LimitFields):
    """Limits on the cost of a network, one for each kind, and rules for its widths."""

    round_to: int = option(1, least=1, help="Round every layer's width down to a multiple of this.")
    min_channels: int = option(1, least=1, help="Keep at least this many channels of every layer.")
    keep: tuple[str, ...] | str = option(
        (),
        metavar="PATTERN",
        such_as="'stem*'",
        is_repeatable=True,
        help="Keep all channels of the layers whose path matches, such as 'stem*'; may be repeated.",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        for kind in KINDS:
            if (value := getattr(self, kind.name)) is not None:
                kind.check(value)
        object.__setattr__(self, "keep", (self.keep,) if isinstance(self.keep, str) else self.keep)
