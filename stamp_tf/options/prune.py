"""Options of pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS, TIMED
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.forms import SHARE
from stamp_tf.options.option import option
from stamp_tf.options.size import SizeOptions
from stamp_tf.seeds import LARGEST_SEED


@dataclass(frozen=True, kw_only=True)
class PruneConfig(SizeOptions):
    """Options of pruning.

    Each kind of limit on cost is a field, too, such as `max_flops=0.25`; `stamp_tf/limits/` says in which unit.
    Without any, the method's own rule holds.
    """

    method: str = option("stamp", plugins="stamp_tf.pruners", help="The pruner.", is_swept=True)
    within: float | None = option(
        None,
        least=0,
        below=1,
        usual=0.01,
        form=SHARE,
        help="Find the smallest network that loses at most so much accuracy without fine-tuning, such as 1% or 0.01.",
    )
    latency_batch: int = option(
        1,
        least=1,
        most_typed=4096,
        help=f"Images per step that {' or '.join(f'`{kind.name}`' for kind in TIMED)} measures.",
    )
    structure_only: bool = option(False, help="Keep the widths and start from fresh weights.")
    head: Literal["logistic", "ridge", "random", "keep"] | None = option(
        None,
        help="First values of the last layer: by logistic or ridge regression, at random, or its own.",
        default_in_words="logistic, but ridge where every class has a sigmoid of its own; random with `structure_only`",
    )
    refit: bool | None = option(
        None,
        help="Fit kernels behind the cut in closed form, so that they write what the full network's do.",
        default_in_words="where the reference was not trained at budgets",
    )
    finetune: FinetuneConfig = option(
        default_factory=FinetuneConfig, help="Of fine-tuning.", inner={"epochs": "finetune-epochs"}
    )
    baseline: bool = option(
        False, help="Fine-tune the full network, too, to tell how much of the difference pruning made."
    )
    seed: int = option(0, least=0, most=LARGEST_SEED, help="Of everything random.")
    options: Mapping[str, Any] = option(
        default_factory=dict,
        flag="method-option",
        help="A further option of the pruner; may be repeated.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refit and self.structure_only:
            raise StampError(
                "`refit` must not be given with `structure_only=True`, which starts from fresh weights; leave one out."
            )
        self._check_within()

    def _check_within(self) -> None:
        """Refuse what leaves no budget to be found, or nothing to find it by."""
        if self.within is None:
            return
        for kind in KINDS:
            if getattr(self, kind.name) is not None:
                raise StampError(
                    f"`within` finds the budget itself, but got {kind.argument} besides; leave one of them out."
                )
        if self.structure_only or self.head == "random":
            option = "`structure_only=True`" if self.structure_only else "`head=random`"
            raise StampError(
                f"`within` goes by accuracy without fine-tuning, but {option} leaves that to chance; leave one of "
                "them out."
            )
