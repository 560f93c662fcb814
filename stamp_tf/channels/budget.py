"""Meet a cost limit by one cut over all channels: the one budget function of training and pruning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from stamp_tf.channels.cost import CostModel
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.errors import StampError

Tensor = Any
_NOISE_SCALE = 0.2


@dataclass(frozen=True)
class Budget:
    """A limit on cost, as fractions of the full network.

    Args:
        keep_params: Largest fraction of parameters in (0, 1], or None for no limit.
        max_flops: Largest fraction of multiply-adds in (0, 1], or None for no limit.

    Raises:
        StampError: If a limit is outside (0, 1].
    """

    keep_params: float | None = None
    max_flops: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--keep-params", self.keep_params), ("--max-flops", self.max_flops)):
            if value is not None and not 0 < value <= 1:
                raise StampError(
                    f"{option} must be a fraction above 0 and at most 1, but got {value:g}; "
                    "0.25 leaves a quarter of the full network."
                )

    @property
    def limits(self) -> tuple[float, float]:
        """Limits on (parameters, FLOPs), infinite where there is none."""
        return (
            math.inf if self.keep_params is None else self.keep_params,
            math.inf if self.max_flops is None else self.max_flops,
        )

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.keep_params is not None or self.max_flops is not None


class ChannelCut:
    """Turns scores and limits into masks whose exact cost fits.

    Channels are ranked by score across all groups; the best of each group come first in any case, so that no
    layer is emptied. Since the cost can only grow with every further channel, bisection over the rank finds
    the last one that fits.

    Args:
        channel_map: The traced channels.
        cost_model: Their cost.
        min_channels: Channels that every group keeps, at least 1.
    """

    def __init__(self, channel_map: ChannelMap, cost_model: CostModel, *, min_channels: int = 1) -> None:
        if min_channels < 1:
            raise StampError(
                f"min_channels must be at least 1, but got {min_channels}; a layer needs one channel."
            )
        if not channel_map.groups:
            raise StampError(
                "A network must have channels that can be removed, but has none; use another --backbone."
            )
        self.channel_map = channel_map
        self.cost_model = cost_model
        self.num_channels = channel_map.num_channels
        sizes = channel_map.group_sizes
        self._num_protected = sum(min(min_channels, size) for size in sizes)
        self._kth = np.array([min(min_channels, size) - 1 for size in sizes])
        # Row g lists group g's channels; the padding points behind the last channel.
        self._members = np.full((len(sizes), max(sizes)), self.num_channels)
        for row, group in enumerate(channel_map.groups):
            self._members[row, : group.size] = np.arange(group.start, group.start + group.size)

    def with_min_channels(self, min_channels: int) -> ChannelCut:
        """Return the same cut with another number of channels that every group keeps."""
        return ChannelCut(self.channel_map, self.cost_model, min_channels=min_channels)

    def meet(self, scores: np.ndarray, budget: Budget) -> np.ndarray:
        """Return the 0/1 mask `[C]` of the most channels, best first, whose exact cost fits.

        Args:
            scores: Value per channel, `[C]`; higher stays longer. Ties break by channel number.
            budget: The limit.

        Returns:
            float32 mask; the next channel in rank would not fit.

        Raises:
            StampError: If even the fewest channels cost more.
        """
        position, num_kept = self._cut(scores, budget)
        return (position < num_kept).astype("float32")

    def threshold(self, scores: np.ndarray, budget: Budget) -> float:
        """Return the score midway between the last channel that fits and the next one.

        Args:
            scores: Value per channel, `[C]`.
            budget: The limit.

        Raises:
            StampError: If even the fewest channels cost more.
        """
        position, num_kept = self._cut(scores, budget)
        by_position = np.asarray(scores, "float64")[np.argsort(position)]
        return float(by_position[max(0, num_kept - 1) : num_kept + 1].mean())

    def _cut(self, scores: np.ndarray, budget: Budget) -> tuple[np.ndarray, int]:
        """Return each channel's place in rank, the best of each group first, and how many of them fit."""
        scores = np.asarray(scores, "float64")
        if scores.shape != (self.num_channels,) or not np.isfinite(scores).all():
            raise StampError(
                f"Scores must be finite, one per channel ({self.num_channels}), but got {scores.shape}."
            )
        rank = np.empty(self.num_channels, int)
        rank[np.argsort(-scores, kind="stable")] = np.arange(self.num_channels)
        in_groups = np.sort(np.append(rank, self.num_channels)[self._members], axis=1)
        last_protected = in_groups[np.arange(len(self._kth)), self._kth]
        protected = rank <= last_protected[self.channel_map.group_of]
        order = np.argsort(rank - self.num_channels * protected)
        position = np.empty(self.num_channels, int)
        position[order] = np.arange(self.num_channels)

        def fits(num_kept: int) -> bool:
            return bool((self.cost_model.exact_fractions(position < num_kept) <= budget.limits).all())

        low, high = self._num_protected, self.num_channels
        if not fits(low):
            smallest = self.cost_model.exact_fractions(position < low)
            raise StampError(
                f"--keep-params and --max-flops must allow the smallest reachable network (parameters "
                f"{_up(smallest[0])}, FLOPs {_up(smallest[1])}), but got {_limit(budget.keep_params)} and "
                f"{_limit(budget.max_flops)}; raise them, or choose a wider network."
            )
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        return position, low

    def straight_through(self, scores: Tensor, limits: Tensor, *, temperature: float = 0.5) -> Tensor:
        """Return a 0/1 mask that fits, with the gradient of a soft mask whose cut moves with the scores.

        The soft mask is sigmoid((s - t) / temperature). Its cut t is tied to the scores by the constant cost
        C: dt/ds_c = (dC/ds_c) / sum_j dC/ds_j. So raising one channel's score lowers all others by its price,
        and a channel has to earn its place. With a fixed cut nothing would have a price, and cheap late layers
        would starve.

        Args:
            scores: `[C]`, any backend's tensor.
            limits: Limits on (parameters, FLOPs), `[2]`; `inf` for none.
            temperature: Width of the soft mask in units of the scores.

        Returns:
            The mask `[C]`, its values 0 or 1. If nothing fits, the fewest channels.
        """
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


def _up(fraction: float) -> str:
    """Format a fraction rounded up, so that the printed limit is met."""
    return f"{math.ceil(fraction * 1e5) / 1e5:.5f}"


def _limit(value: float | None) -> str:
    return "no limit" if value is None else f"{value:g}"
