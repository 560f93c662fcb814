"""Options of meta-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stamp_tf.errors import StampError
from stamp_tf.options.fields import check_fields
from stamp_tf.options.forms import BUDGET_RANGE, check_budget_range
from stamp_tf.options.option import option
from stamp_tf.seeds import LARGEST_SEED

Sparsity = Literal["budgets", "kl"]
"""What closes channels in training: a budget drawn for each task, or the prior by itself, as published."""


@dataclass(frozen=True, kw_only=True)
class MetaTrainConfig:
    """Options of meta-training."""

    set_encoder: str = option(
        "set-transformer",
        plugins="stamp_tf.set_encoders",
        help="Turns a set of images into a pseudo-image.",
    )
    set_encoder_options: Mapping[str, Any] = option(
        default_factory=dict,
        flag="set-encoder-option",
        help="An option of the set encoder, such as num_heads=4; may be repeated.",
    )
    mask_generator: str = option(
        "score",
        plugins="stamp_tf.mask_generators",
        help="Turns what the pseudo-image excites into masks.",
    )
    mask_generator_options: Mapping[str, Any] = option(
        default_factory=dict,
        flag="mask-generator-option",
        help="An option of the mask generator; may be repeated.",
    )
    outer_steps: int = option(
        200, least=1, help="Meta-updates; as published, 2000 for VGG-19 and 3000 for ResNet-18."
    )
    tasks: int = option(4, least=1, most_typed=4096, help="Tasks per outer step.")
    ways: int = option(10, least=2, help="Classes per task.")
    shots: int = option(64, least=1, help="Images per class and task.")
    inner_batches: int = option(5, least=1, help="Mini-batches of a task; all but the last adapt to it.")
    inner_rates: tuple[float, float, float] = option(
        (1e-3, 1e-2, 1e-3), least=0, is_only_python=True, help="Inner learning rates of W, pi, theta."
    )
    outer_rates: tuple[float, float, float] = option(
        (1e-4, 2e-3, 1e-3),
        least=0,
        is_only_python=True,
        help="Outer learning rates of W, pi, theta; a tenth from 50% of the steps on, again from 80%.",
    )
    sparsity: Sparsity = option(
        "budgets", help="Draw a budget per task, or let the prior close channels as published."
    )
    budgets: tuple[float, float] = option(
        (0.06, 1.0), form=BUDGET_RANGE, help="Range of the drawn share of FLOPs."
    )
    kl_scale: float = option(1.0, least=0, help="Factor on the prior's cost.")
    replicas: int = option(1, least=1, most_typed=256, help="Devices sharing the tasks.")
    mixed_precision: bool = option(False, help="Compute in bfloat16.")
    xla: bool = option(False, help="Compile with XLA.")
    seed: int = option(0, least=0, most=LARGEST_SEED, help="Of everything random.")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.ways * self.shots % self.inner_batches:
            raise StampError(
                f"`inner_batches` must divide ways x shots = {self.ways * self.shots}, but got {self.inner_batches}; "
                "5 fits the default of 640."
            )
        check_budget_range(self.budgets)
