"""The mask of a run that is being fine-tuned: what was proposed, and perhaps measured, is not proposed again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stamp_tf.channel_mask import ChannelMask, as_mask
from stamp_tf.errors import StampError
from stamp_tf.measure.timing import Timing
from stamp_tf.measure.tried import Tried
from stamp_tf.storage.checkpoints import load_state, save_state
from stamp_tf.storage.records import check
from stamp_tf.weight_mask import WeightMask

logger = logging.getLogger(__name__)

MASK = "mask.npz"
_WEIGHTS = "weights/"
_REMEDY = "start anew with `overwrite=True`"


@dataclass(frozen=True, kw_only=True)
class SavedMask:
    """What fine-tuning goes on from, beside its own states.

    Args:
        mask: Keep value per channel, `[C]`.
        times: Seconds by phase, up to fine-tuning.
        timing: Measured latency of the network, where it was limited: on a busy machine another measurement would
            lead to another mask, which no state fits.
        tried: What was measured to choose it.
        weights: Which single weights stay, of a method that removes those.
        is_trained: Whether there is a state of fine-tuning, which holds every weight.
    """

    mask: ChannelMask
    times: Mapping[str, float]
    timing: Timing | None = None
    tried: tuple[Tried, ...] = ()
    weights: WeightMask | None = None
    is_trained: bool = False


@dataclass(frozen=True, kw_only=True)
class _Description:
    times: Mapping[str, float]
    timing: Timing | None = None
    tried: tuple[Tried, ...] = ()
    shapes: Mapping[str, list[int]] | None = None


def save_mask(folder: Path, saved: SavedMask) -> None:
    """Write a mask beside the states of fine-tuning.

    Args:
        folder: The run's checkpoints.
        saved: The mask, and what was measured of it.
    """
    arrays, shapes = ({}, None) if saved.weights is None else saved.weights.to_arrays()
    description = asdict(
        _Description(times=dict(saved.times), timing=saved.timing, tried=saved.tried, shapes=shapes)
    )
    weights = {f"{_WEIGHTS}{path}": array for path, array in arrays.items()}
    save_state(folder / MASK, {"mask": saved.mask.values, **weights}, description)


def load_mask(folder: Path, num_channels: int) -> SavedMask | None:
    """Return the mask that `save_mask` wrote; None where there is none, or, with a warning, a damaged one.

    Args:
        folder: The run's checkpoints.
        num_channels: C.
    """
    path = folder / MASK
    if not path.exists():
        return None
    try:
        arrays, metadata = load_state(path)
        description = check(metadata, _Description, source=path, remedy=_REMEDY)
        if "mask" not in arrays:
            raise StampError(f"{path} must hold a mask, but does not; {_REMEDY}.")
        mask = as_mask(arrays["mask"], num_channels)
        found = {path.removeprefix(_WEIGHTS): array for path, array in arrays.items()}
        shapes = description.shapes
        weights = None if shapes is None else WeightMask.of_arrays(found, shapes)
    except StampError as error:
        logger.warning("Warning: proposing the mask again. %s", error)
        return None
    is_trained = any(folder.glob("step-*.npz"))
    return SavedMask(
        mask=mask,
        times=description.times,
        timing=description.timing,
        tried=description.tried,
        weights=weights,
        is_trained=is_trained,
    )
