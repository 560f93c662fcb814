"""Keep values as people give them: what is no mask is refused, and the message says which channel and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.channels.groups import ChannelMap

# Text, complex numbers and times, which NumPy makes numbers of all the same.
_NO_NUMBERS = "USVcmM"


def as_values(given: Any, size: int, *, subject: str) -> np.ndarray:
    """Return keep values, float64 `[size]`.

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


def mask_values(given: Any, size: int) -> np.ndarray:
    """Return a mask as numbers, float64 `[size]`.

    Args:
        given: What was given as a mask.
        size: C.

    Raises:
        StampError: If it is none, or a value is NaN or out of [0, 1].
    """
    values = as_values(given, size, subject="A mask")
    if len(wrong := np.flatnonzero(~((values >= 0) & (values <= 1)))):
        raise StampError(
            f"A mask must hold values from 0 to 1, but channel {wrong[0]} has {values[wrong[0]]:g}; 0 removes a "
            "channel, 1 keeps it as it is."
        )
    return values


def check_mask(mask: np.ndarray, channel_map: ChannelMap) -> None:
    """Refuse a mask that is out of [0, 1], NaN included, or that takes all channels of a layer.

    Args:
        mask: Keep value per channel, `[num_channels]`.
        channel_map: The channels.

    Raises:
        StampError: If a value is wrong; it names the first one by group and number.
    """
    for group in channel_map.groups:
        values = mask[group.slice]
        wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if len(wrong):
            more = f" and {len(wrong) - 1} more of its values" if len(wrong) > 1 else ""
            raise StampError(
                f"A mask must hold values from 0 to 1, but channel {wrong[0]} of {group.name} has "
                f"{values[wrong[0]]:g}{more}; 0 removes a channel, 1 keeps it as it is."
            )
        if not values.any():
            raise StampError(
                f"A mask must keep at least one channel of every layer, but empties {group.name}; set one of its "
                "values to 1."
            )


def _received(given: Any) -> str:
    text = " ".join(repr(given).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
