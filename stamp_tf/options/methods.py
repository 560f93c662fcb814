"""Options of the methods of pruning: each a field, whose type, range and default are said here alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from stamp_tf.errors import StampError
from stamp_tf.options.fields import check_fields
from stamp_tf.options.meta_train import Sparsity
from stamp_tf.options.option import option


@dataclass(frozen=True, kw_only=True)
class PrunerOptions:
    """Options of a pruner, none here; one that has some derives a frozen dataclass with a default for each.

    In Python they are the keys of `options`. A built-in whose option has a flag of its own keeps it in this file, which
    the command line reads without Keras.

    Raises:
        StampError: If a field has another type or range; it names the field.
    """

    def __post_init__(self) -> None:
        check_fields(self, place="options")


@dataclass(frozen=True, kw_only=True)
class AllocationOptions(PrunerOptions):
    """Options of a criterion whose values are shared out over the groups."""

    allocation: Literal["uniform", "global"] = option(
        "uniform", help="Take the same fraction of every layer, or make one cut over all."
    )


@dataclass(frozen=True, kw_only=True)
class RandomOptions(AllocationOptions):
    """Options of random channels."""

    widths: Mapping[str, int] | None = option(
        None,
        flag="widths",
        typed=Path,
        help='Take every layer\'s width from this pruned run (`method="random"`).',
    )

    def __post_init__(self) -> None:
        widths = self.widths
        if widths is not None and (
            not isinstance(widths, Mapping) or not all(type(width) is int for width in widths.values())
        ):
            raise StampError(
                f"`options.widths` must give a whole number for every layer, but got {widths!r}; "
                "name a run that prune wrote."
            )
        super().__post_init__()
        if widths is not None and self.allocation != AllocationOptions.allocation:
            raise StampError(
                "`options.widths` fixes how many channels every layer keeps, but got `options.allocation` besides; "
                "leave one of them out."
            )


@dataclass(frozen=True, kw_only=True)
class StampOptions(PrunerOptions):
    """Options of STAMP."""

    epochs_prune: float = option(
        0.0,
        flag="epochs-prune",
        least=0,
        most_typed=10**6,
        help="Epochs of steps on the data set before the cut; 0 prunes at once.",
    )
    rates: tuple[float, float, float] = option(
        (1e-3, 1e-2, 1e-3), least=0, help="Learning rates of W, pi and theta in those steps."
    )
    sparsity: Sparsity = option("budgets", help="What closes channels in those steps, as in meta-training.")
    kl_scale: float = option(1.0, least=0, help="Factor on KL / |D| in those steps, as in meta-training.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in fields(self):
            if not self.epochs_prune and getattr(self, field.name) != field.default:
                raise StampError(
                    f"`options.{field.name}` needs steps on the data set, but `options.epochs_prune` is 0; raise it, "
                    f"or leave {field.name} out."
                )
