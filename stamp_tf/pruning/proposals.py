"""What a pruner gives back, checked before anything is cut by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import stamp_registry
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelMap
from stamp_tf.measure.tried import Tried
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import options_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.plugin_code import PluginCode, in_words
from stamp_tf.pruning.guarded_problem import check_untouched, guarded
from stamp_tf.pruning.pruner import REMOVED, Proposal, Pruner, PruningProblem
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.weight_mask import WeightMask, kernels_of


def make_pruner(plugin: PluginCode, pruner_class: Any) -> Pruner:
    """Return a registered pruner.

    Args:
        plugin: Which one.
        pruner_class: What is registered.

    Raises:
        PluginError: If it fails, or is no `Pruner` with a dataclass of its options.
    """
    with plugin.running():
        pruner = pruner_class()
    if not isinstance(pruner, Pruner):
        raise plugin.breach("derive from stamp_tf.pruning.pruner.Pruner", f"is a {type(pruner).__name__}")
    with plugin.running():
        options: Any = pruner.options
        needs_budget: Any = pruner.needs_budget
        removes: Any = pruner.removes
        fixes: Any = pruner.fixes
    if not isinstance(options, type) or not issubclass(options, PrunerOptions):
        raise plugin.breach(
            "name in options a dataclass derived from stamp_tf.options.methods.PrunerOptions",
            f"has {options!r}",
        )
    if not isinstance(needs_budget, bool):
        raise plugin.breach("say in needs_budget True or False", f"has {needs_budget!r}")
    if removes not in REMOVED:
        raise plugin.breach(f"say in removes one of {', '.join(REMOVED)}", f"has {removes!r}")
    if not isinstance(fixes, Mapping) or not set(fixes) <= set(options_of(PruneConfig)):
        raise plugin.breach("hold in fixes options of pruning by name", f"has {fixes!r}")
    return pruner


def propose(plugin: PluginCode, pruner: Pruner, problem: PruningProblem) -> Proposal:
    """Return what a pruner proposes for a problem: scores or a mask, and perhaps a fold, `[C]` each.

    Args:
        plugin: Which pruner it is, for messages.
        pruner: The pruner.
        problem: The problem.

    Raises:
        PluginError: If it fails or breaks its contract.
    """
    is_trusted = stamp_registry.is_built_in(plugin.group, plugin.name)
    handed, before = (
        (problem, "") if is_trusted else (guarded(plugin, problem), fingerprint(problem.reference))
    )
    with plugin.running():
        proposal = pruner.propose(handed)
    if not is_trusted:
        check_untouched(plugin, problem, before)
    if not isinstance(proposal, Proposal):
        raise plugin.breach("return a stamp_tf.pruning.pruner.Proposal", in_words(proposal))
    if proposal.weights is not None or pruner.removes == "weights":
        return _of_weights(plugin, pruner, proposal, problem=problem)
    if (proposal.scores is None) == (proposal.mask is None):
        both = "neither" if proposal.scores is None else "both"
        raise plugin.breach("propose scores or a mask", f"gave {both}")
    if not isinstance(proposal.tried, tuple) or not all(isinstance(one, Tried) for one in proposal.tried):
        raise plugin.breach("give in tried what it measured, as Tried", in_words(proposal.tried))
    channel_map = problem.reference.channel_map
    values = {
        name: None
        if (value := getattr(proposal, name)) is None
        else _values(plugin, name, value, num_channels=channel_map.num_channels)
        for name in ("scores", "mask", "fold")
    }
    fold = values["fold"]
    mask = None if values["mask"] is None else _mask(plugin, values["mask"], channel_map)
    if fold is not None and len(outside := np.flatnonzero((fold <= 0) | (fold > 1))):
        raise plugin.breach(
            "propose a fold above 0 and at most 1", f"gave {fold[outside[0]]:g} for channel {outside[0]}"
        )
    return Proposal(scores=values["scores"], mask=mask, fold=fold, tried=proposal.tried)


def _of_weights(
    plugin: PluginCode, pruner: Pruner, proposal: Proposal, *, problem: PruningProblem
) -> Proposal:
    """Return a mask of single weights, beside the mask that keeps every channel."""
    weights = proposal.weights
    if pruner.removes != "weights" or not isinstance(weights, WeightMask):
        raise plugin.breach(
            "propose a mask of weights where it removes weights, and only there", f"gave {in_words(weights)}"
        )
    if proposal.scores is not None or proposal.mask is not None or proposal.fold is not None:
        raise plugin.breach("propose a mask of weights alone", "gave something about channels besides")
    known = {kernel.path: tuple(kernel.shape) for kernel in kernels_of(problem.model)}
    for path, kept in weights.kept.items():
        if known.get(path) != kept.shape:
            raise plugin.breach("mask kernels of the problem's model", f"masks {path} of {list(kept.shape)}")
    everything = ChannelMask.all_of(problem.reference.channel_map.num_channels)
    return Proposal(mask=everything, weights=weights, tried=proposal.tried)


def _values(plugin: PluginCode, name: str, value: Any, *, num_channels: int) -> np.ndarray:
    """Return one finite number per channel."""
    with plugin.running():
        array = np.asarray(value)
    if array.shape != (num_channels,):
        raise plugin.breach(
            f"propose one value of {name} per channel ({num_channels})", f"gave shape {list(array.shape)}"
        )
    if array.dtype.kind not in "biuf":
        raise plugin.breach(f"propose {name} as numbers", f"gave {array.dtype}")
    array = array.astype("float64")
    if len(bad := np.flatnonzero(~np.isfinite(array))):
        raise plugin.breach(
            f"propose finite {name}",
            f"gave {array[bad[0]]:g} for channel {bad[0]} and is not finite for {len(bad)} of {num_channels}",
        )
    return array


def _mask(plugin: PluginCode, values: np.ndarray, channel_map: ChannelMap) -> ChannelMask:
    """Return a mask; one out of [0, 1], or that leaves a layer without channels, is refused."""
    if len(outside := np.flatnonzero((values < 0) | (values > 1))):
        raise plugin.breach(
            "propose a mask of values from 0 to 1", f"gave {values[outside[0]]:g} for channel {outside[0]}"
        )
    mask = ChannelMask(values)
    if (emptied := mask.emptied(channel_map.groups)) is not None:
        raise plugin.breach("keep at least one channel of every layer", f"empties {emptied}")
    return mask
