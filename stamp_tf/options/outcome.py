"""What a run writes of its outcome."""

from __future__ import annotations

from dataclasses import dataclass

from stamp_tf.options.fields import check_fields
from stamp_tf.options.option import option


@dataclass(frozen=True)
class OutcomeOptions:
    """What a run writes of its outcome."""

    speed: bool = option(True, help="Measure the pruned network's speed against the full one's.")
    dollars_per_hour: float | None = option(
        None, least=0, usual=1, help="Price of the machine, for the report."
    )
    exports: tuple[str, ...] = option(
        (),
        flag="export",
        plugins="stamp_tf.exporters",
        is_repeatable=True,
        help="Write the network in this format, and as a .keras file in any case; may be repeated.",
        default_in_words="saved-model",
    )

    def __post_init__(self) -> None:
        check_fields(self)
