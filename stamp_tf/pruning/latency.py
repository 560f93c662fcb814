"""Meet limits on what is timed: the last of nested masks whose network is fast enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut, Ranking, slice_model
from stamp_tf.errors import StampError
from stamp_tf.limits.kind import TimedKind
from stamp_tf.limits.kinds import TIMED, any_of
from stamp_tf.on_step import OnStep

if TYPE_CHECKING:
    from stamp_tf.measure.timing import Timing

Measure = Callable[[keras.Model], "Timing"]

# Small networks take a millisecond, less than a busy machine takes away at a time: time them for longer than that.
_NUM_STEPS = 500
_MAX_SECONDS = 1.5


def meet_latency(
    cut: ChannelCut,
    scores: np.ndarray,
    *,
    budget: Budget,
    model: keras.Model,
    measure: Measure,
    on_step: OnStep | None = None,
) -> tuple[ChannelMask, Timing]:
    """Return the mask of the most channels, best first, whose network is as fast as asked, and its timing.

    The time grows with every further channel, as counted costs do, so bisection over the ranking finds the last
    network that is fast enough. Each one that is looked at is built and measured. Measurements scatter, so the
    network found is measured once more; while it is too slow, channels go, one step first and then twice as many
    each time. On a quiet machine the next step would be too slow; on a busy one the result may stay further below
    the limit, but never above it as measured.

    Args:
        cut: The cut over the channels of `model`.
        scores: Value per channel, `[C]`; higher stays longer.
        budget: The limits; those that are counted hold exactly.
        model: The full network.
        measure: Times a network, see `latency_clock`.
        on_step: Called with (networks measured, about how many in all, figures).

    Returns:
        The hard mask `[C]`, and what the last measurement of its network gave.

    Raises:
        StampError: If not even the smallest reachable network meets all limits.
    """
    ranking = cut.rank(scores)
    last = cut.last_step(ranking, budget)
    search = _Search(cut, ranking, model=model, measure=measure, last=last, on_step=on_step)
    smallest = search.time(0)
    if too_slow := broken_by(smallest, budget):
        raise _unreachable(too_slow, smallest, cut)
    # Where the counted limits are the tighter ones, their network is fast enough.
    step: int | None = last
    if broken_by(search.time(last), budget):
        step = ranking.last(lambda mask: not broken_by(search.time_mask(mask), budget), until=last - 1)
    # The smallest network may have been slower the second time.
    step, stride = step or 0, 1
    timing = search.time(step)
    while too_slow := broken_by(timing, budget):
        if step == 0:
            raise _unreachable(too_slow, timing, cut)
        step, stride = max(0, step - stride), 2 * stride
        timing = search.time(step)
    return ranking.mask(step), timing


def latency_clock(batch_size: int = 1) -> Measure:
    """Return the function that times the inference steps of a network on this device (TensorFlow).

    Args:
        batch_size: Images per step.

    Raises:
        StampError: If Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise StampError(
            f"{any_of(TIMED)} needs Keras on TensorFlow, but it runs on {keras.backend.backend()}; set "
            "KERAS_BACKEND=tensorflow, or limit `max_flops`."
        )
    # Loaded here, so that pruning without a limit on latency runs on other backends.
    from stamp_tf.measure.speed import measure_latency

    return lambda model: measure_latency(
        model, batch_size=batch_size, repeats=_NUM_STEPS, max_seconds=_MAX_SECONDS
    )


class _Search:
    """Builds and times the networks that the search looks at."""

    def __init__(
        self,
        cut: ChannelCut,
        ranking: Ranking,
        *,
        model: keras.Model,
        measure: Measure,
        last: int,
        on_step: OnStep | None,
    ) -> None:
        self._cut, self._ranking, self._model = cut, ranking, model
        self._measure, self._on_step = measure, on_step
        self._done, self._total = 0, 4 + math.ceil(math.log2(last + 1))

    def time(self, step: int) -> Timing:
        """Time the network of one step."""
        return self.time_mask(self._ranking.mask(step))

    def time_mask(self, mask: ChannelMask) -> Timing:
        """Time the network that a mask leaves."""
        timing = self._measure(slice_model(self._model, self._cut.channel_map, mask))
        self._done += 1
        if self._on_step is not None:
            total = max(self._total, self._done)
            self._on_step(self._done, total, {"latency_ms": 1e3 * timing.seconds})
        return timing


def broken_by(timing: Timing, budget: Budget) -> tuple[tuple[TimedKind, float], ...]:
    """Return the limits on what is timed that a network exceeds.

    Args:
        timing: Of the network.
        budget: The limits.
    """
    return tuple((kind, value) for kind, value in budget.timed if kind.measure(timing) > value)


def _unreachable(broken: Sequence[tuple[TimedKind, float]], timing: Timing, cut: ChannelCut) -> StampError:
    """Say which limits the smallest reachable network exceeds, and what was measured of it."""
    enough = ", ".join(kind.enough(timing) for kind, _ in broken)
    rules = f", ask for less than {cut.rules.options}" if cut.rules.options else ""
    return StampError(
        f"{' and '.join(kind.argument for kind, _ in broken)} must allow the smallest reachable network "
        f"(measured {enough} at batch size {timing.batch_size}), "
        f"but got {' and '.join(kind.as_typed(value) for kind, value in broken)}; "
        f"raise {'them' if len(broken) > 1 else 'it'}{rules}, or measure on a faster or quieter machine."
    )
