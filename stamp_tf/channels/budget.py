"""Limits on the cost of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stamp_registry import did_you_mean
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.cost import CostModel
from stamp_tf.errors import StampError
from stamp_tf.limits.flops import Flops
from stamp_tf.limits.kind import CountedKind, LimitKind, TimedKind
from stamp_tf.limits.kinds import COUNTED, KINDS, any_of
from stamp_tf.limits.parameters import Parameters


@dataclass(frozen=True)
class Limit:
    """One limit.

    Args:
        kind: What is limited.
        value: The most that there may be, in the unit of its kind.

    Raises:
        StampError: If the value is out of its range.
    """

    kind: LimitKind
    value: float

    def __post_init__(self) -> None:
        self.kind.check(self.value)


@dataclass(frozen=True, init=False)
class Budget:
    """Limits that hold together.

    What is counted a cut meets exactly. What is timed has to be measured, see `stamp_tf.pruning.latency`.

    Args:
        **limits: Name of a kind of limit -> its value, None for no limit: `Budget(max_flops=0.25)`. The kinds and
            their units stand in `stamp_tf/limits/`.

    Raises:
        StampError: If there is no such kind, or a limit is out of its range.
    """

    limits: tuple[Limit, ...]

    def __init__(self, **limits: float | None) -> None:
        if unknown := sorted(set(limits) - {kind.name for kind in KINDS}):
            names = [kind.name for kind in KINDS]
            raise StampError(
                f"A budget must be made of {', '.join(names)}, but got {unknown[0]}; leave it out."
                f"{did_you_mean(unknown[0], names)}"
            )
        given = [(kind, limits.get(kind.name)) for kind in KINDS]
        object.__setattr__(
            self, "limits", tuple(Limit(kind, value) for kind, value in given if value is not None)
        )

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self.limits)

    @property
    def counted(self) -> tuple[tuple[CountedKind, float], ...]:
        """The limits on what is counted."""
        return tuple(
            (limit.kind, limit.value) for limit in self.limits if isinstance(limit.kind, CountedKind)
        )

    @property
    def timed(self) -> tuple[tuple[TimedKind, float], ...]:
        """The limits on what is timed."""
        return tuple((limit.kind, limit.value) for limit in self.limits if isinstance(limit.kind, TimedKind))

    @property
    def of_training(self) -> tuple[float, float]:
        """Limits on (parameters, FLOPs), whose gradients a step of training knows; infinite where there is none."""
        values = {limit.kind.name: limit.value for limit in self.limits}
        return values.get(Parameters.name, math.inf), values.get(Flops.name, math.inf)

    def allows(self, cost_model: CostModel, mask: ChannelMask) -> bool:
        """Return whether the network that a mask `[C]` leaves is within all limits that are counted.

        Args:
            cost_model: Cost of the full network.
            mask: The mask.

        Raises:
            StampError: If a limit needs the size of the images, and the network leaves it open.
        """
        return not self.broken(cost_model, mask)

    def broken(self, cost_model: CostModel, mask: ChannelMask) -> tuple[Limit, ...]:
        """Return the limits on what is counted that the network of a mask `[C]` exceeds.

        Args:
            cost_model: Cost of the full network.
            mask: The mask.

        Raises:
            StampError: If a limit needs the size of the images, and the network leaves it open.
        """
        if not cost_model.is_sized:
            self._check_open_size()
        return tuple(
            Limit(kind, value)
            for kind, value in self.counted
            if kind.measure(cost_model, mask, value) > value
        )

    def _check_open_size(self) -> None:
        """Refuse limits on what cannot be counted where images may have any size."""
        if needing := [kind for kind, _ in self.counted if kind.needs_image_size]:
            others = any_of(kind for kind in COUNTED if not kind.needs_image_size)
            raise StampError(
                f"{any_of(needing)} needs a network for images of a known size, but this one leaves it open; build it "
                f"with a fixed input shape, or give {others}."
            )


def counts_in_words(cost_model: CostModel, mask: ChannelMask) -> str:
    """Return what is counted of the network that a mask `[C]` leaves, as limits that it just meets.

    Args:
        cost_model: Cost of the full network.
        mask: The mask.
    """
    return ", ".join(
        f"{kind.quantity} {kind.enough(cost_model, mask)}"
        for kind in COUNTED
        if cost_model.is_sized or not kind.needs_image_size
    )
