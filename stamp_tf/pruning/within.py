"""The smallest network whose accuracy is at most so far below the full one's."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable

import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut
from stamp_tf.errors import StampError
from stamp_tf.measure.tried import Tried
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.on_step import OnPhase, OnStep
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal
from stamp_tf.pruning.trial import Trial
from stamp_tf.quantities import percent

logger = logging.getLogger(__name__)

BUDGET = Budget(max_flops=0.5)
"""What a method is told where the budget is yet to be found: the quantity that is searched, and its middle."""

_BRACKET = 0.02
_ROUNDING = 1e-9
_KNOWN = 0.99

Measure = Callable[[ChannelMask], Tried]


def search_within(
    proposal: Proposal,
    cut: ChannelCut,
    config: PruneConfig,
    *,
    trial: Trial,
    on_step: OnPhase | None,
) -> tuple[ChannelMask, tuple[Tried, ...]]:
    """Return what `find_within` finds for the scores of a method.

    Args:
        proposal: What the method answered.
        cut: The cut over the channels, with the rules for widths.
        config: Options; `within` is among them.
        trial: Measures networks.
        on_step: Called with (phase, networks measured, about how many in all, figures).

    Raises:
        StampError: If there are no scores, or nothing meets what was asked for.
    """
    if proposal.scores is None or config.within is None:
        raise StampError(
            f"`within` needs scores that a cut can follow, but `method={config.method}` proposes a finished mask; "
            "leave it out, or choose another method."
        )

    def measure(mask: ChannelMask) -> Tried:
        return trial.tried(mask, trial.right(mask, fold=proposal.fold))

    return find_within(
        cut,
        proposal.scores,
        within=config.within,
        measure=measure,
        on_step=None
        if on_step is None
        else lambda done, total, figures: on_step("search", done, total, figures),
    )


def find_within(
    cut: ChannelCut,
    scores: np.ndarray,
    *,
    within: float,
    measure: Measure,
    on_step: OnStep | None = None,
) -> tuple[ChannelMask, tuple[Tried, ...]]:
    """Return the mask of the fewest FLOPs that loses at most so much accuracy, and all that was measured on the way.

    Accuracy is taken to grow with the channels, best first, and bisection narrows down the FLOPs until what loses too
    much and what does not lie less than 0.02 apart. Where even more than the rest has to stay, the gentlest
    cut of all is tried last.

    Args:
        cut: The cut over the channels.
        scores: Value per channel, `[C]`; higher stays longer.
        within: Most accuracy that may be lost, in [0, 1).
        measure: Returns what the network of a mask is worth.
        on_step: Called with (networks measured, about how many in all, figures).

    Returns:
        The hard mask `[C]`, and the figures by falling FLOPs, the full network's first.

    Raises:
        StampError: If every cut that removes something loses more.
    """
    search = _Search(cut, scores, within=within, measure=measure, on_step=on_step)
    step = search.run()
    chosen = search.tried.get(step)
    if chosen is None:
        raise _unreachable(search.tried[step - 1], within)
    chosen = search.tried[step] = dataclasses.replace(chosen, is_chosen=True)
    _say(chosen, within)
    full = dataclasses.replace(
        chosen,
        params_fraction=1.0,
        flops_fraction=1.0,
        accuracy=chosen.full_accuracy,
        lost=0.0,
        error=0.0,
        is_chosen=False,
    )
    points = sorted(search.tried.values(), key=lambda point: -point.flops_fraction)
    return search.ranking.mask(step), (full, *points)


class _Search:
    """Bisection over nested masks by their FLOPs; the full network passes unmeasured."""

    def __init__(
        self,
        cut: ChannelCut,
        scores: np.ndarray,
        *,
        within: float,
        measure: Measure,
        on_step: OnStep | None,
    ) -> None:
        self.ranking, self._cut = cut.rank(scores), cut
        self.tried: dict[int, Tried] = {}
        self._within, self._measure, self._on_step = within, measure, on_step

    def run(self) -> int:
        """Return the first step that passes; one that was never tried is the full network."""
        ranking = self.ranking
        last = ranking.num_steps + (not ranking.mask(ranking.num_steps).keeps_all)
        if last == 0:
            raise StampError(
                f"`within` needs something to remove, but every channel is kept; ask for less than "
                f"{self._cut.rules.options}."
            )
        low, high = -1, last
        low_flops, high_flops = self._flops(0), 1.0
        total = max(1, math.ceil(math.log2(max(1.0, (high_flops - low_flops) / _BRACKET))))
        while high - low > 1 and high_flops - low_flops >= _BRACKET:
            middle = (low_flops + high_flops) / 2
            step = self._cut.last_step(ranking, Budget(max_flops=middle))
            # Between two masks there may be none of these FLOPs.
            step = min(max(step, low + 1), high - 1)
            if self._passes(step, total):
                high, high_flops = step, self._flops(step)
            else:
                low, low_flops = step, max(middle, self._flops(step))
        if high == last and last - 1 not in self.tried and self._passes(last - 1, total):
            high = last - 1
        return high

    def _passes(self, step: int, total: int) -> bool:
        found = self.tried[step] = self._measure(self.ranking.mask(step))
        if self._on_step is not None:
            done = len(self.tried)
            self._on_step(done, max(total, done), {"flops": found.flops_fraction, "accuracy": found.accuracy})
        return found.lost <= self._within + _ROUNDING

    def _flops(self, step: int) -> float:
        return float(self._cut.cost_model.exact_fractions(self.ranking.mask(step))[1])


def _unreachable(gentlest: Tried, within: float) -> StampError:
    enough = math.ceil(1e3 * gentlest.lost) / 1e3
    return StampError(
        f"`within={within:g}` must be met by a network that lacks something, but the gentlest cut "
        f"({percent(gentlest.flops_fraction)} of the FLOPs) is right on {gentlest.in_words()}; allow {enough:g}, "
        "choose another method, or give a budget such as `max_flops=0.5`."
    )


def _say(chosen: Tried, within: float) -> None:
    """Log the choice, and what the figures are worth."""
    logger.info(
        "%s",
        in_words_of_the_caller(
            f"`within={within:g}` leaves {percent(chosen.flops_fraction)} of the FLOPs and "
            f"{percent(chosen.params_fraction)} of the parameters: without fine-tuning right on {chosen.in_words()}."
        ),
    )
    if chosen.full_accuracy >= _KNOWN:
        logger.info(
            "The full network is right on %s of these images. If it was trained on them it knows them by heart, "
            "loses more here than on new images, and more could go.",
            percent(chosen.full_accuracy),
        )
    if within and chosen.images * within < 1:
        logger.warning(
            "%d held-out images are few: one of them is %s, more than may be lost; give more training images.",
            chosen.images,
            percent(1 / chosen.images),
        )
    elif within and chosen.error > within:
        logger.warning(
            "%d held-out images are few: the standard error, %.1f points, is more than may be lost; give more training "
            "images.",
            chosen.images,
            100 * chosen.error,
        )
