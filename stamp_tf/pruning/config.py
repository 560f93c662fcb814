"""Options of pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stamp_tf.channels import Budget, WidthRules
from stamp_tf.errors import StampError
from stamp_tf.options.fields import check_fields
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.seeds import check_seed


@dataclass(frozen=True)
class PruneConfig:
    """Options of pruning.

    Args:
        method: Registered pruner.
        keep_params: Largest fraction of parameters, or None.
        max_flops: Largest fraction of multiply-adds, or None.
        max_memory: Most activation memory for one image, or None: up to 1 a fraction of the full network's, above
            1 bytes.
        max_latency: Most seconds of an inference step, measured on this device, or None. Without any limit, the
            method's own rule holds.
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
    keep_params: float | None = None
    max_flops: float | None = None
    max_memory: float | None = None
    max_latency: float | None = None
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
        """The limit on cost."""
        return Budget(self.keep_params, self.max_flops, self.max_memory, self.max_latency)

    @property
    def rules(self) -> WidthRules:
        """Which widths layers may have."""
        return WidthRules(self.min_channels, self.round_to, self.keep)
