"""From the options of pruning to what a cut goes by."""

from __future__ import annotations

from stamp_tf.channels import Budget, WidthRules
from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.prune import PruneConfig


def budget_of(config: PruneConfig) -> Budget:
    """Return the limits on cost that options set."""
    return Budget(**{kind.name: getattr(config, kind.name) for kind in KINDS})


def rules_of(config: PruneConfig) -> WidthRules:
    """Return which widths layers may have."""
    return WidthRules(config.min_channels, config.round_to, config.keep)


def counted_part(budget: Budget) -> Budget:
    """Return the limits that candidates of a search are cut to: those that are counted, or half of the FLOPs."""
    limits = {kind.name: value for kind, value in budget.counted}
    return Budget(**limits) if limits else Budget(**{"max_flops": 0.5})
