"""Options of pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stamp_tf.channels import Budget, WidthRules
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.fields import check_fields
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.limits import LimitFields
from stamp_tf.seeds import check_seed


@dataclass(frozen=True)
class PruneConfig(LimitFields):
    """Options of pruning.

    Each kind of limit on cost is a field, too, such as `max_flops=0.25`; `stamp_tf/limits/` says in which unit.
    Without any, the method's own rule holds.

    Args:
        method: Registered pruner.
        latency_batch: Images per measured step.
        round_to: Every layer's width is a multiple of this.
        min_channels: Channels that every layer keeps.
        keep: Patterns of the paths of layers that keep all their channels.
        structure_only: Keep the widths and start from fresh weights (STAMP-Structure).
        head: `ridge` in closed form, `random`, or `keep` for that of the network itself, which needs its classes;
            None means ridge, and random with `structure_only`.
        finetune: Options of fine-tuning.
        seed: Of everything random.
        options: Of the method, such as `epochs_prune` or `widths`; it lists them in `option_names`.
    """

    method: str = "stamp"
    latency_batch: int = 1
    round_to: int = 1
    min_channels: int = 1
    keep: tuple[str, ...] | str = ()
    structure_only: bool = False
    head: Literal["ridge", "random", "keep"] | None = None
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        _ = self.budget
        object.__setattr__(self, "keep", self.rules.keep)
        if not self.latency_batch >= 1:
            raise StampError(
                f"--latency-batch must be at least 1, but got {self.latency_batch}; 1 is the default."
            )
        check_seed(self.seed)

    @property
    def budget(self) -> Budget:
        """The limits on cost."""
        return Budget(**{kind.name: getattr(self, kind.name) for kind in KINDS})

    @property
    def rules(self) -> WidthRules:
        """Which widths layers may have."""
        return WidthRules(self.min_channels, self.round_to, self.keep)
