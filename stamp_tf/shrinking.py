"""Shrink any network on unlabelled inputs: channels chosen, cut and made up for without a gradient step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from stamp_tf.arguments import check_arguments
from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.channels import Budget, ChannelCut, TracedNetwork, slice_model
from stamp_tf.channels.compilation import compile_like
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.limits.kinds import KINDS, any_of
from stamp_tf.on_step import OnPhase
from stamp_tf.options.fields import overridden
from stamp_tf.options.prune import PruneConfig
from stamp_tf.options.shrink import ShrinkConfig
from stamp_tf.plugin_code import of_the_caller
from stamp_tf.pruning.config import budget_of, rules_of
from stamp_tf.pruning.cut_proposal import cut_proposal
from stamp_tf.pruning.pruner import Proposal
from stamp_tf.refit.input_scale import warn_of_scale
from stamp_tf.refit.inputs import in_batches, sampled_inputs
from stamp_tf.refit.refit import Refitted, refit
from stamp_tf.refit.removal import prices_of, removal_orders, removal_scores
from stamp_tf.training.output_distillation import distill_outputs

logger = logging.getLogger(__name__)

_FEW = 50


def shrink(
    model: keras.Model,
    inputs: Any,
    *,
    config: ShrinkConfig | None = None,
    on_step: OnPhase | None = None,
    **overrides: Any,
) -> keras.Model:
    """Make the smaller network that answers as nearly as the full one as a budget allows: for any task, without labels.

    Channels go by the error that is left without them; the kernels that stay are refitted in closed form, layer by
    layer, so that on these inputs they write what those of the full network do. Inputs like those that the network will
    meet serve it best: it need not answer well for others.

    Args:
        model: A functional or sequential model, trained for anything; it is not changed.
        inputs: A few hundred examples: arrays `[n, ...]` nested as the model takes them, or batches of such, as a
            list or any pipeline, with or without labels behind them.
        config: Options.
        on_step: Called with (phase, steps done, all steps, figures).
        **overrides: Fields of `ShrinkConfig`, such as `max_flops=0.5`.

    Returns:
        The smaller model, of the same inputs and outputs, compiled as the old one was.

    Raises:
        StampError: If the budget is missing or cannot be met, nothing was removed, an option does not fit, the
            inputs do not fit the model, or a value of either is not finite.

    Example:
        >>> small = stamp_tf.shrink(model, photos, max_flops=0.5)
        >>> small.save("small.keras")
    """
    config = overridden(config, overrides, kind=ShrinkConfig)
    check_arguments(model=(model, keras.Model), on_step=(on_step, Callable | None))
    limits = {kind.name: getattr(config, kind.name) for kind in KINDS}
    if not any(value is not None for value in limits.values()):
        raise StampError(f"shrink needs a budget, but got none; add {any_of(KINDS)}.")
    rules = PruneConfig(
        **limits,
        method="l1",
        round_to=config.round_to,
        min_channels=config.min_channels,
        keep=config.keep,
    )
    network = TracedNetwork.of(model)
    cut = ChannelCut(network.channel_map, network.cost_model, rules=rules_of(rules))
    # What cannot be reached is refused before any image is passed through.
    cut.last_step(cut.rank(np.zeros(cut.num_channels)), budget_of(rules))
    require_finite(
        weight_values(model),
        subject="Weights of the model",
        remedy="take it from before its training diverged",
    )
    values = sampled_inputs(model, inputs, most=config.most_inputs, seed=config.seed)
    batches = in_batches(values)
    warn_of_scale(model, next(batches()), subject="Inputs", remedy="pass them as in training")
    report = None if on_step is None else of_the_caller(on_step)
    scores = _scores(network, config, batches, budget=budget_of(rules), on_step=_within("prune", report))
    mask, _ = cut_proposal(Proposal(scores=scores), cut, rules, model=model, on_step=report)
    small = slice_model(model, network.channel_map, mask, check=True)
    refitted = refit(
        model,
        small,
        network.channel_map,
        mask=mask,
        batches=batches,
        seed=config.seed,
        on_step=_within("refit", report),
    )
    _say(refitted, num_inputs=len(keras.tree.flatten(values)[0]))
    if config.distill_steps:
        _distill(model, small, values, config=config, on_step=_within("distill", report))
    compile_like(model, small)
    return small


def _scores(
    network: TracedNetwork,
    config: ShrinkConfig,
    batches: Callable[[], Any],
    *,
    budget: Budget,
    on_step: Callable[[int, int], None] | None,
) -> np.ndarray:
    """Return a score per channel, `[C]`."""
    if config.method == "l1":
        return uniform_scores(network.channel_map, l1_norms(network.model, network.channel_map))
    orders = removal_orders(network.model, network.channel_map, batches, seed=config.seed, on_step=on_step)
    return removal_scores(network.channel_map, orders, prices=prices_of(network.cost_model, budget))


def _distill(
    model: keras.Model,
    small: keras.Model,
    values: Any,
    *,
    config: ShrinkConfig,
    on_step: Callable[[int, int], None] | None,
) -> None:
    """Take steps towards the full network's outputs, and log what they were worth."""
    distilled = distill_outputs(
        model, small, values, num_steps=config.distill_steps, seed=config.seed, on_step=on_step
    )
    if distilled.after == distilled.before:
        return
    logger.info(
        "Took %d steps towards the full network's outputs; of their variance %.2g %% is missing, %.2g %% before.",
        config.distill_steps,
        100 * distilled.after,
        100 * distilled.before,
    )


def _within(phase: str, report: OnPhase | None) -> Callable[[int, int], None] | None:
    if report is None:
        return None
    return lambda done, total: report(phase, done, total, {})


def _say(refitted: tuple[Refitted, ...], *, num_inputs: int) -> None:
    """Log what the refit was worth where it matters most: in what the network ends with."""
    if num_inputs < _FEW:
        logger.warning(
            "%d inputs are few: kernels may suit them and no others; give some hundreds.", num_inputs
        )
    if not refitted:
        logger.info("Nothing behind the cut mixes channels, so that nothing was refitted.")
        return
    last = refitted[-1]
    logger.info(
        "Refitted %d layers on %d inputs; of what %s writes, %.2g %% is missing, %.2g %% if its kernel had stayed.",
        len(refitted),
        num_inputs,
        last.layer,
        100 * last.after,
        100 * last.before,
    )
