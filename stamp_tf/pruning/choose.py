"""From the options of pruning to its method, checked before any work is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import stamp_registry
from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS, any_of
from stamp_tf.options.option import options_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.plugin_code import PluginCode
from stamp_tf.pruning.config import budget_of
from stamp_tf.pruning.proposals import make_pruner
from stamp_tf.pruning.pruner import Pruner
from stamp_tf.pruning.weight_budget import check_options
from stamp_tf.references.reference import Reference


def choose_pruner(config: PruneConfig) -> Pruner:
    """Return the pruner that the options name.

    Args:
        config: The options.

    Raises:
        StampError: If the method does not take an option or its value, or needs a budget that is not there.
    """
    plugin, pruner = _named(config.method)
    known = list(options_of(pruner.options))
    unknown = sorted(set(config.options) - set(known))
    if unknown:
        raise StampError(
            f"`method={config.method}` takes {', '.join(known) or 'no options'}, but got "
            f"{unknown[0]}; leave it out or choose another method."
            f"{stamp_registry.did_you_mean(unknown[0], known)}"
        )
    if pruner.removes == "nothing":
        _check_unlimited(config)
    if pruner.removes == "weights":
        check_options(config)
    is_limited = budget_of(config).is_limited or config.within is not None
    if pruner.removes == "weights" and pruner.needs_budget and not is_limited:
        raise StampError(
            f"`method={config.method}` needs to know how many weights stay, but got no limit; add `keep_params=0.1`, "
            "which counts the parameters other than 0."
        )
    if pruner.needs_budget and not is_limited and "widths" not in config.options:
        raise StampError(
            f"`method={config.method}` needs a budget, but got none; add {any_of(KINDS)}, or `within` to find one."
        )
    with plugin.running():
        pruner.options(**config.options)
    return pruner


def _named(method: str) -> tuple[PluginCode, Pruner]:
    plugin = PluginCode("stamp_tf.pruners", method)
    return plugin, make_pruner(plugin, stamp_registry.load(plugin.group, plugin.name))


def with_own_options(configs: Sequence[PruneConfig]) -> tuple[PruneConfig, ...]:
    """Return the options of several runs, each with those options of methods that its own method takes.

    What no method of them takes stays, so that `choose_pruner` refuses it.

    Args:
        configs: The options of each run, as they were given for all.
    """
    takes = {config.method: set(options_of(_named(config.method)[1].options)) for config in configs}
    taken = set().union(*takes.values())

    def own(config: PruneConfig) -> dict[str, Any]:
        others = taken - takes[config.method]
        return {name: value for name, value in config.options.items() if name not in others}

    return tuple(dataclasses.replace(config, options=own(config)) for config in configs)


def with_fixed(config: PruneConfig) -> PruneConfig:
    """Return the options with those that the name of the method fixes.

    Args:
        config: The options.

    Raises:
        StampError: As `choose_pruner`, or if an option contradicts the name.
    """
    return dataclasses.replace(config, **choose_pruner(config).fixes)


def check_methods(configs: Sequence[PruneConfig], reference: Reference) -> None:
    """Refuse a network or options that a method cannot go with, before any image is read.

    Args:
        configs: The options of each run.
        reference: What is pruned.

    Raises:
        StampError: As `Pruner.check`.
    """
    for config in configs:
        with PluginCode("stamp_tf.pruners", config.method).running():
            choose_pruner(config).check(reference, config)


def check_compression(configs: Sequence[PruneConfig], kind: str | None) -> None:
    """Refuse to compress what a method leaves that removes single weights, because training would fill them again.

    Args:
        configs: The options of each run.
        kind: How the network is to be compressed; None for not at all.

    Raises:
        StampError: If it cannot be.
    """
    for config in configs if kind is not None else ():
        if choose_pruner(config).removes != "weights":
            continue
        raise StampError(
            f"`compress={kind}` trains all weights, but `method={config.method}` removes single ones; leave "
            "`compress` out, or choose a method that removes channels."
        )


def _check_unlimited(config: PruneConfig) -> None:
    """Refuse limits where nothing is removed."""
    given = [limit.kind.argument for limit in budget_of(config).limits]
    if config.within is not None:
        given.append("`within`")
    if given:
        raise StampError(
            f"`method={config.method}` removes nothing, but got {' and '.join(given)}; leave "
            f"{'them' if len(given) > 1 else 'it'} out."
        )
