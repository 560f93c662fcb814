"""From what a method proposes to the mask that is cut: within the budget and the rules, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from stamp_tf.channel_mask import ChannelMask, as_mask
from stamp_tf.channels import ChannelCut, slice_model
from stamp_tf.channels.budget import counts_in_words
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnPhase
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.config import budget_of, rules_of
from stamp_tf.pruning.latency import broken_by, latency_clock, meet_latency
from stamp_tf.pruning.pruner import Proposal

if TYPE_CHECKING:
    from stamp_tf.measure.timing import Timing


def cut_proposal(
    proposal: Proposal,
    cut: ChannelCut,
    config: PruneConfig,
    *,
    model: keras.Model,
    may_keep_all: bool = False,
    on_step: OnPhase | None,
) -> tuple[ChannelMask, Timing | None]:
    """Cut scores at the budget, or check a finished mask against it.

    Args:
        proposal: What a method answered.
        cut: The cut over the channels of `model`, with the rules for widths.
        config: Options; the budget is among them.
        model: The full network.
        may_keep_all: Whether the method may remove nothing.
        on_step: Called with (phase, networks measured, about how many in all, figures) where latency is limited.

    Returns:
        Keep value per channel, `[C]`, and the latency, where it is limited.

    Raises:
        StampError: If the budget cannot be met, nothing was removed, or a finished mask breaks a rule.
    """
    timing = None
    if proposal.mask is not None:
        mask = as_mask(proposal.mask, cut.num_channels, groups=cut.channel_map.groups)
        timing = _check(mask, cut, config, model=model)
    elif proposal.scores is None:
        raise StampError(f"`method={config.method}` must propose scores or a mask, but gave none; mend it.")
    elif not budget_of(config).timed:
        mask = cut.meet(proposal.scores, budget_of(config))
    else:
        mask, timing = meet_latency(
            cut,
            proposal.scores,
            budget=budget_of(config),
            model=model,
            measure=latency_clock(config.latency_batch),
            on_step=None
            if on_step is None
            else lambda done, total, figures: on_step("latency", done, total, figures),
        )
    if not may_keep_all:
        _check_removes(mask, config)
    return mask, timing


def check_reachable(cut: ChannelCut, config: PruneConfig) -> None:
    """Refuse limits that no scores can meet, or that leave nothing to remove, before any work is done.

    Args:
        cut: The cut over the channels, with the rules for widths.
        config: Options; what is timed among the limits is not looked at.

    Raises:
        StampError: If a limit is out of reach; it names it.
    """
    budget = budget_of(config)
    ranking = cut.rank(np.zeros(cut.num_channels))
    step = cut.last_step(ranking, budget)
    if budget.counted and not budget.timed:
        _check_removes(ranking.mask(step), config)


def _check_removes(mask: ChannelMask, config: PruneConfig) -> None:
    if mask.keeps_all:
        limits = budget_of(config).limits
        given = " and ".join(f"`{limit.kind.name}={limit.kind.as_typed(limit.value)}`" for limit in limits)
        raise StampError(
            f"Pruning must remove something, but every channel stays{f' with {given}' if given else ''}; give a "
            f"{'lower ' if given else ''}limit, such as `max_flops=0.5`."
        )


def _check(mask: ChannelMask, cut: ChannelCut, config: PruneConfig, *, model: keras.Model) -> Timing | None:
    """Refuse a finished mask that is above the budget or has widths that the rules forbid."""
    budget, cost = budget_of(config), cut.cost_model
    if broken := budget.broken(cost, mask.hard):
        raise StampError(
            f"`method={config.method}` gave masks above the budget ({counts_in_words(cost, mask.hard)}); raise "
            f"{' and '.join(limit.kind.argument for limit in broken)} or change the widths."
        )
    if not rules_of(config).allow(cut.channel_map, mask):
        raise StampError(
            f"{rules_of(config).options} must hold for finished masks too, but `method={config.method}` gave other "
            "widths; add a budget such as `max_flops=0.5`, whose cut follows the rules, or leave them out."
        )
    if not budget.timed:
        return None
    timing = latency_clock(config.latency_batch)(slice_model(model, cut.channel_map, mask))
    if too_slow := broken_by(timing, budget):
        measured = ", ".join(f"{kind.quantity} {kind.enough(timing)}" for kind, _ in too_slow)
        raise StampError(
            f"`method={config.method}` gave masks above the budget ({measured}); raise "
            f"{' and '.join(kind.argument for kind, _ in too_slow)} or change the widths."
        )
    return timing
