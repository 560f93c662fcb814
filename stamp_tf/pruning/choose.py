"""From the options of pruning to its method, checked before any work is done."""

from __future__ import annotations

import stamp_registry
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS, any_of
from stamp_tf.options.option import options_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.plugin_code import PluginCode
from stamp_tf.pruning.config import budget_of
from stamp_tf.pruning.proposals import make_pruner
from stamp_tf.pruning.pruner import Pruner


def choose_pruner(config: PruneConfig) -> Pruner:
    """Return the pruner that the options name.

    Args:
        config: The options.

    Raises:
        StampError: If the method does not take an option or its value, or needs a budget that is not there.
    """
    plugin = PluginCode("stamp_tf.pruners", config.method)
    pruner = make_pruner(plugin, stamp_registry.load(plugin.group, plugin.name))
    known = list(options_of(pruner.options))
    unknown = sorted(set(config.options) - set(known))
    if unknown:
        raise StampError(
            f"`method={config.method}` takes {', '.join(known) or 'no options'}, but got "
            f"{unknown[0]}; leave it out or choose another method."
            f"{stamp_registry.did_you_mean(unknown[0], known)}"
        )
    is_limited = budget_of(config).is_limited or config.within is not None
    if pruner.needs_budget and not is_limited and "widths" not in config.options:
        raise StampError(
            f"`method={config.method}` needs a budget, but got none; add {any_of(KINDS)}, or `within` to find one."
        )
    with plugin.running():
        pruner.options(**config.options)
    return pruner
