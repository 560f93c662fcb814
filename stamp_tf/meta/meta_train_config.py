"""Options of meta-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stamp_tf.channels.budget_range import check_budget_range
from stamp_tf.errors import StampError
from stamp_tf.meta.objective import Sparsity
from stamp_tf.options.fields import check_fields, check_least
from stamp_tf.seeds import check_seed


@dataclass(frozen=True)
class MetaTrainConfig:
    """Options of meta-training.

    Args:
        set_encoder: Registered name.
        set_encoder_options: Its arguments.
        mask_generator: Registered name.
        mask_generator_options: Its arguments.
        outer_steps: Number of meta-updates (2000 for VGG-19 and 3000 for ResNet-18 as published).
        tasks: N, tasks per meta-update.
        ways: Classes per task.
        shots: Images per class and task.
        inner_batches: Mini-batches that a task's images are divided into; all but the last take an inner step.
        inner_rates: Inner learning rates of W, pi, theta.
        outer_rates: Outer learning rates of W, pi, theta; a tenth from 50% of the steps on, again from 80%.
        sparsity: `budgets` draws a FLOPs limit per task; `kl` lets the prior close channels, as published.
        budgets: Smallest and largest fraction of FLOPs drawn, log-uniformly.
        kl_scale: Factor on KL / B.
        replicas: Devices that share the tasks.
        mixed_precision: Compute in bfloat16.
        xla: Compile with XLA.
        seed: Of everything random.
    """

    set_encoder: str = "set-transformer"
    set_encoder_options: Mapping[str, Any] = field(default_factory=dict)
    mask_generator: str = "score"
    mask_generator_options: Mapping[str, Any] = field(default_factory=dict)
    outer_steps: int = 200
    tasks: int = 4
    ways: int = 10
    shots: int = 64
    inner_batches: int = 5
    inner_rates: tuple[float, float, float] = (1e-3, 1e-2, 1e-3)
    outer_rates: tuple[float, float, float] = (1e-4, 2e-3, 1e-3)
    sparsity: Sparsity = "budgets"
    budgets: tuple[float, float] = (0.06, 1.0)
    kl_scale: float = 1.0
    replicas: int = 1
    mixed_precision: bool = False
    xla: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_seed(self.seed)
        counts = {
            name: getattr(self, name)
            for name in ("outer_steps", "tasks", "shots", "inner_batches", "replicas")
        }
        check_least(**{name: (count, 1) for name, count in counts.items()})
        check_least(ways=(self.ways, 2), kl_scale=(self.kl_scale, 0))
        for name in ("inner_rates", "outer_rates"):
            if min(getattr(self, name)) < 0:
                raise StampError(
                    f"{name} must be 0 or more, but are {getattr(self, name)}; 0 holds a part still."
                )
        if self.ways * self.shots % self.inner_batches:
            raise StampError(
                f"--inner-batches must divide ways x shots = {self.ways * self.shots}, but got {self.inner_batches}; "
                "5 fits the default of 640."
            )
        check_budget_range(self.budgets)
