"""Meet a cost limit by one cut over all channels: the one budget function of training and pruning."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from keras import ops

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.budget import Budget, counts_in_words
from stamp_tf.channels.cost import CostModel
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.ranking import Ranking, rank_channels
from stamp_tf.channels.widths import WidthRules
from stamp_tf.errors import StampError
from stamp_tf.tensor import Tensor

_NOISE_SCALE = 0.2


class ChannelCut:
    """Turns scores and limits into masks whose exact cost fits.

    Channels are ranked by score across all groups; the best of each group come first in any case, so that no
    layer is emptied. Since the cost can only grow with every further channel, bisection over the rank finds
    the last one that fits.

    Args:
        channel_map: The traced channels.
        cost_model: Their cost.
        rules: Which widths groups may have.

    Raises:
        StampError: If nothing can be removed, or a pattern of the rules matches no layer.
    """

    def __init__(
        self, channel_map: ChannelMap, cost_model: CostModel, *, rules: WidthRules | None = None
    ) -> None:
        if not channel_map.groups:
            raise StampError(
                "A network must have channels that can be removed, but has none; choose another, inspect says why."
            )
        self.channel_map = channel_map
        self.cost_model = cost_model
        self.rules = rules or WidthRules()
        self.num_channels = channel_map.num_channels
        sizes = channel_map.group_sizes
        smallest, _ = self.rules.bounds(channel_map)
        self._num_protected = int(smallest.sum())
        self._kth = smallest - 1
        # Row g lists group g's channels; the padding points behind the last channel.
        self._members = np.full((len(sizes), max(sizes)), self.num_channels)
        for row, group in enumerate(channel_map.groups):
            self._members[row, : group.size] = np.arange(group.start, group.start + group.size)

    def with_min_channels(self, min_channels: int) -> ChannelCut:
        """Return the same cut with another number of channels that every group keeps."""
        rules = dataclasses.replace(self.rules, min_channels=min_channels)
        return ChannelCut(self.channel_map, self.cost_model, rules=rules)

    def rank(self, scores: np.ndarray) -> Ranking:
        """Return the nested masks among which a budget chooses.

        Args:
            scores: Value per channel, `[C]`; higher stays longer. Ties break by channel number.

        Raises:
            StampError: If the scores do not fit the channels.
        """
        scores = np.asarray(scores, "float64")
        if scores.shape != (self.num_channels,):
            raise StampError(
                f"Scores must be one per channel ({self.num_channels}), but have shape {scores.shape}; give a row."
            )
        if len(bad := np.flatnonzero(~np.isfinite(scores))):
            raise StampError(
                f"Scores must be finite, but channel {bad[0]} has {scores[bad[0]]:g} and {len(bad)} of "
                f"{self.num_channels} are not; use those from before training diverged."
            )
        return rank_channels(self.channel_map, scores, self.rules)

    def meet(self, scores: np.ndarray, budget: Budget) -> ChannelMask:
        """Return the hard mask `[C]` of the most channels, best first, whose exact cost fits.

        Args:
            scores: Value per channel, `[C]`; higher stays longer. Ties break by channel number.
            budget: The limits, all on what is counted.

        Returns:
            The mask; the next channel in rank (with `round_to`, the next multiple) would not fit.

        Raises:
            StampError: If even the fewest channels cost more, or a limit is timed.
        """
        for kind, _ in budget.timed:
            raise StampError(
                f"A cut meets what can be counted, but got {kind.argument}, which is measured; use meet_latency of "
                "stamp_tf.pruning.latency."
            )
        ranking = self.rank(scores)
        return ranking.mask(self.last_step(ranking, budget))

    def last_step(self, ranking: Ranking, budget: Budget) -> int:
        """Return the last step of a ranking whose mask is within all limits that are counted.

        Args:
            ranking: What `rank` returned.
            budget: The limits; those on what is timed are left out.

        Raises:
            StampError: If even the fewest channels cost more.
        """
        step = ranking.last(lambda mask: budget.allows(self.cost_model, mask))
        if step is None:
            raise self._unreachable(ranking.mask(0), budget)
        return step

    def threshold(self, scores: np.ndarray, budget: Budget) -> float:
        """Return the score midway between the last channel that fits and the next one.

        Args:
            scores: Value per channel, `[C]`.
            budget: The limit.

        Raises:
            StampError: If even the fewest channels cost more.
        """
        scores = np.asarray(scores, "float64")
        ranking = self.rank(scores)
        num_kept = ranking.mask(self.last_step(ranking, budget)).num_kept
        by_position = scores[np.lexsort((np.argsort(np.argsort(-scores, kind="stable")), ranking.steps))]
        return float(by_position[max(0, num_kept - 1) : num_kept + 1].mean())

    def _unreachable(self, smallest: ChannelMask, budget: Budget) -> StampError:
        """Say which limits the smallest reachable network exceeds, and what would be enough."""
        broken = budget.broken(self.cost_model, smallest)
        them = "them" if len(broken) > 1 else "it"
        rules = f", ask for less than {self.rules.options}" if self.rules.options else ""
        return StampError(
            f"{' and '.join(limit.kind.argument for limit in broken)} must allow the smallest reachable network "
            f"({counts_in_words(self.cost_model, smallest)}), but got "
            f"{' and '.join(limit.kind.as_typed(limit.value) for limit in broken)}; raise {them}{rules}, or choose a "
            "wider network."
        )

    def straight_through(self, scores: Tensor, limits: Tensor, *, temperature: float = 0.5) -> Tensor:
        """Return a 0/1 mask that fits, with the gradient of a soft mask whose cut moves with the scores.

        The soft mask is sigmoid((s - t) / temperature). Its cut t is tied to the scores by the constant cost:
        dt/ds_c = (dcost/ds_c) / sum_j dcost/ds_j. So raising one channel's score lowers all others by its price,
        and a channel has to earn its place. With a fixed cut nothing would have a price, and cheap late layers
        would starve.

        Args:
            scores: `[C]`, any backend's tensor.
            limits: Limits on (parameters, FLOPs), `[2]`; `inf` for none.
            temperature: Width of the soft mask in units of the scores.

        Returns:
            The mask `[C]`, its values 0 or 1. If nothing fits, the fewest channels.

        Raises:
            StampError: If widths are to be rounded, which is for pruning alone.
        """
        if self.rules.round_to > 1:
            raise StampError(
                f"Training masks single channels, but got `round_to={self.rules.round_to}`; round when pruning."
            )
        limits = ops.cast(limits, scores.dtype)
        values = ops.stop_gradient(scores)
        rank = ops.argsort(ops.argsort(-values))
        padded = ops.concatenate([rank, ops.full((1,), self.num_channels, rank.dtype)])
        in_groups = ops.sort(ops.take(padded, self._members), axis=1)
        last_protected = ops.sum(
            in_groups * ops.cast(ops.one_hot(self._kth, in_groups.shape[1]), in_groups.dtype), axis=1
        )
        protected = rank <= ops.take(last_protected, self.channel_map.group_of)
        order = ops.argsort(rank - self.num_channels * ops.cast(protected, rank.dtype))
        position = ops.argsort(order)

        low = ops.cast(self._num_protected, rank.dtype)
        high = ops.cast(self.num_channels, rank.dtype)
        for _ in range(math.ceil(math.log2(self.num_channels + 1))):
            middle = (low + high + 1) // 2
            cost = self.cost_model.fractions(ops.cast(position < middle, scores.dtype))
            # Rounding may put the full network's fraction a little above 1.
            fits = ops.all(ops.logical_or(cost <= limits, limits >= 1))
            low, high = ops.where(fits, middle, low), ops.where(fits, high, middle - 1)
            high = ops.maximum(low, high)
        hard = ops.cast(position < low, scores.dtype)

        by_position = ops.take(values, order)
        last = ops.take(by_position, low - 1)
        first_out = ops.take(by_position, ops.minimum(low, self.num_channels - 1))
        everything = low >= self.num_channels
        cut = ops.where(everything, ops.min(values) - temperature, (last + first_out) / 2)
        soft = ops.sigmoid((values - cut) / temperature)
        slope = soft * (1 - soft) / temperature
        # The limit that binds: the one nearest to being used up.
        usage = self.cost_model.fractions(hard) / limits
        price = ops.take(self.cost_model.prices(soft), ops.argmax(usage), axis=0) * slope
        price = price / ops.maximum(ops.sum(price), 1e-12)
        moving_cut = cut + ops.sum(price * (scores - values))
        moving = ops.sigmoid((scores - moving_cut) / temperature)
        return hard + (moving - ops.stop_gradient(moving))


def add_logistic_noise(scores: Tensor, uniform: Tensor) -> Tensor:
    """Add logistic noise to scores: neighbours in rank change places, so both learn what they are worth.

    Args:
        scores: `[C]`.
        uniform: Numbers in (0, 1), `[C]`.
    """
    uniform = ops.clip(uniform, 1e-6, 1 - 1e-6)
    return scores + _NOISE_SCALE * (ops.log(uniform) - ops.log(1 - uniform))
