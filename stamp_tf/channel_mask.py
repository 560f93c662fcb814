"""A keep value per channel: which channels of a network stay, and what those that stay are multiplied by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from stamp_tf.errors import StampError

# Text, complex numbers and times, which NumPy makes numbers of all the same.
_NO_NUMBERS = "USVcmM"


class Group(Protocol):
    """Channels of which at least one stays; `stamp_tf.channels.ChannelGroup` is one."""

    @property
    def name(self) -> str:
        """The layer that makes them."""

    @property
    def slice(self) -> slice:
        """Their place in a vector over all channels."""


@dataclass(frozen=True, eq=False)
class ChannelMask:
    """The channel mask of a data set. NumPy reads it as an array, and nobody writes to it.

    Args:
        values: Keep value per channel, in [0, 1], `[C]`: 0 for a channel that goes, 1 for one that stays as it is.

    Raises:
        StampError: If they are no row of numbers, or one is NaN or out of [0, 1].
    """

    values: np.ndarray

    def __post_init__(self) -> None:
        values = as_values(self.values, np.size(self.values), subject="A mask")
        if (fault := _fault(values)) is not None:
            channel, value, _ = fault
            raise StampError(_out_of_range(f"channel {channel}", value))
        # A copy in any case. Zeros and ones need no precision; what is between is multiplied into weights.
        values = np.array(values, "float32" if _is_hard(values) else "float64")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @classmethod
    def all_of(cls, num_channels: int) -> ChannelMask:
        """Return the mask that keeps every channel."""
        return cls(np.ones(num_channels))

    @classmethod
    def of_kept(cls, kept: Mapping[str, Sequence[int]], groups: Iterable[Group]) -> ChannelMask:
        """Return the hard mask that keeps some channels of each group, as `masks.json` holds them; undoes `kept_in`.

        Args:
            kept: Numbers of the kept channels within each group, by its name.
            groups: All groups.
        """
        groups = tuple(groups)
        values = np.zeros(max((group.slice.stop for group in groups), default=0))
        for group in groups:
            values[group.slice.start + np.asarray(kept[group.name], int)] = 1
        return cls(values)

    @cached_property
    def is_hard(self) -> bool:
        """Whether every channel stays as it is or goes."""
        return _is_hard(self.values)

    @cached_property
    def kept(self) -> np.ndarray:
        """Whether each channel stays, bool `[C]`."""
        return np.asarray(self.values > 0)

    @property
    def num_kept(self) -> int:
        """Number of channels that stay."""
        return int(np.count_nonzero(self.kept))

    @property
    def keep_ratio(self) -> float:
        """Kept / all, in [0, 1]."""
        return self.num_kept / len(self)

    @property
    def keeps_all(self) -> bool:
        """Whether no channel goes."""
        return bool(self.kept.all())

    @property
    def hard(self) -> ChannelMask:
        """The mask that keeps the same channels as they are."""
        return self if self.is_hard else ChannelMask(self.kept)

    def times(self, fold: np.ndarray) -> ChannelMask:
        """Return the mask with the channels that stay multiplied by a factor each.

        Args:
            fold: Factors above 0 and at most 1, `[C]`.
        """
        return ChannelMask(self.values * fold)

    def kept_in(self, groups: Iterable[Group]) -> dict[str, list[int]]:
        """Return the numbers of the kept channels within each group, rising, by its name."""
        return {group.name: np.flatnonzero(self.kept[group.slice]).tolist() for group in groups}

    def emptied(self, groups: Iterable[Group]) -> str | None:
        """Return the name of the first group that loses all its channels, or None."""
        return next((group.name for group in groups if not self.kept[group.slice].any()), None)

    def kept_features(self, channels: np.ndarray) -> np.ndarray:
        """Return whether each of some features stays, bool `[features]`.

        Args:
            channels: Channel of each feature, -1 for one that always stays.
        """
        kept: np.ndarray = np.append(self.kept, True)[channels]
        return kept

    def values_of(self, channels: np.ndarray) -> np.ndarray:
        """Return the keep value of each of some features, float64 `[features]`.

        Args:
            channels: Channel of each feature, -1 for one that always stays.
        """
        values: np.ndarray = np.append(self.values, 1.0)[channels]
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype not in (None, self.values.dtype):
            raise ValueError(f"{dtype} needs a copy.")
        return self.values.astype(dtype or self.values.dtype, copy=bool(copy))

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChannelMask) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash(self.values.tobytes())


def as_mask(given: Any, size: int, *, groups: Iterable[Group] = ()) -> ChannelMask:
    """Return what somebody gave as a mask.

    Args:
        given: A mask, an array, a list: numbers or truth values.
        size: C.
        groups: The groups of which each has to keep a channel, for messages too.

    Raises:
        StampError: If it is no mask of C channels, or empties a group; it names the first channel that is wrong, by
            its group where that is known.
    """
    groups = tuple(groups)
    values = as_values(given, size, subject="A mask")
    for group in groups:
        if (fault := _fault(values[group.slice])) is not None:
            channel, value, others = fault
            more = f" and {others} more of its values" if others else ""
            raise StampError(_out_of_range(f"channel {channel} of {group.name}", value, more))
    mask = given if isinstance(given, ChannelMask) else ChannelMask(values)
    if (emptied := mask.emptied(groups)) is not None:
        raise StampError(
            f"A mask must keep at least one channel of every layer, but empties {emptied}; set one of its values to 1."
        )
    return mask


def as_values(given: Any, size: int, *, subject: str) -> np.ndarray:
    """Return one number per channel, float64 `[size]`.

    Args:
        given: What was given: numbers, truth values, an array, a list.
        size: How many there must be.
        subject: What they are called, as a message begins.

    Raises:
        StampError: If they are no numbers, or have another shape.
    """
    try:
        if np.asarray(given).dtype.kind in _NO_NUMBERS:
            raise TypeError
        values = np.asarray(given, "float64")
    except (TypeError, ValueError):
        raise StampError(
            f"{subject} must be a row of {size} numbers from 0 to 1, but is {_received(given)}; give one per channel."
        ) from None
    if values.shape != (size,):
        raise StampError(
            f"{subject} must have one value per channel ({size}), but has shape {values.shape}; give a row of {size}."
        )
    return values


def _is_hard(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _fault(values: np.ndarray) -> tuple[int, float, int] | None:
    """Return the first place that holds no keep value, what it holds, and how many more do; None for no such."""
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    return (int(wrong[0]), float(values[wrong[0]]), len(wrong) - 1) if len(wrong) else None


def _out_of_range(channel: str, value: float, more: str = "") -> str:
    return (
        f"A mask must hold values from 0 to 1, but {channel} has {value:g}{more}; 0 removes a channel, 1 keeps it as "
        "it is."
    )


def _received(given: Any) -> str:
    text = " ".join(repr(given).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
