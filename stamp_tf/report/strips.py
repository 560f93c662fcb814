"""The picture of kept channels (Figure 5 of the paper): a band per layer, a tick per channel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stamp_tf.report.report import GroupRow

# Colours run in order from teal to violet, in degrees of hue.
_FIRST_HUE, _LAST_HUE = 172.0, 268.0
_TICK_WIDTH = 0.8


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One row of the picture of kept channels: a tick per kept channel on a band as wide as the group."""

    name: str
    size: int
    num_kept: int
    hue: float
    length: float
    ticks: str


def kept_channels(groups: Sequence[GroupRow]) -> tuple[Strip, ...]:
    """Lay out the kept channels of a network, one strip per group.

    Args:
        groups: The groups in the network's order.

    Returns:
        Strips of one common scale; `length` is a share of the widest group, `ticks` as in `tick_path`.
    """
    widest = max((group.size for group in groups), default=1)
    return tuple(
        Strip(
            name=group.name,
            size=group.size,
            num_kept=len(group.kept),
            hue=hue,
            length=group.size / widest,
            ticks=tick_path(group.kept),
        )
        for group, hue in zip(groups, hues(len(groups)), strict=True)
    )


def tick_path(channels: Iterable[int]) -> str:
    """Return an SVG path in which channel c covers [c, c + 1] across and [0, 1] down."""
    return "".join(f"M{channel} 0h{_TICK_WIDTH}v1h-{_TICK_WIDTH}z" for channel in channels)


def hues(count: int) -> list[float]:
    """Return so many hues in order, in degrees."""
    step = (_LAST_HUE - _FIRST_HUE) / max(1, count - 1)
    return [round(_FIRST_HUE + index * step, 1) for index in range(count)]
