"""Options of the reference training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stamp_tf.errors import StampError
from stamp_tf.options.fields import check_fields
from stamp_tf.options.forms import BUDGET_RANGE, check_budget_range
from stamp_tf.options.option import option
from stamp_tf.seeds import LARGEST_SEED


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Options of the reference training."""

    backbone: str = option("vgg19", plugins="stamp_tf.backbones", help="The network.")
    backbone_options: Mapping[str, Any] = option(
        default_factory=dict,
        flag="backbone-option",
        help="A further option of the backbone; may be repeated.",
    )
    also: tuple[str, ...] | str = option(
        (),
        metavar="NAME",
        such_as="'rendered'",
        is_repeatable=True,
        help="Train on this data set as well, with outputs that are dropped at the end; may be repeated.",
    )
    epochs: int = option(20, least=0, help="With the full network alone.")
    budget_epochs: int = option(
        10, least=0, help="After them, with a masked network on each batch as well; 0 is plain pretraining."
    )
    budgets: tuple[float, float] = option(
        (0.06, 1.0), form=BUDGET_RANGE, help="Range of the masked network's share of FLOPs."
    )
    batch_size: int = option(128, least=1, help="Images per step.")
    learning_rate: float = option(0.1, above=0, help="Peak of the rate.")
    budget_learning_rate: float = option(0.05, above=0, help="Peak of the rate in the epochs at budgets.")
    weight_decay: float = option(5e-4, least=0, help="Weight decay on kernels.")
    augment: Literal["standard", "rand"] = option(
        "standard",
        help="Change training images at random: crop and mirror, or besides a rotation, a shear or another tone as "
        "RandAugment has them.",
    )
    mixed_precision: bool = option(False, help="Compute in bfloat16; what is saved is float32.")
    seed: int = option(
        0, least=0, most=LARGEST_SEED, help="Of weights, order, augmentation, budgets and noise."
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "also", (self.also,) if isinstance(self.also, str) else tuple(self.also))
        check_fields(self)
        if self.epochs + self.budget_epochs < 1:
            raise StampError(
                f"`epochs` and `budget_epochs` must be 0 or more and at least 1 together, but got {self.epochs} "
                f"and {self.budget_epochs}; raise one."
            )
        check_budget_range(self.budgets)
