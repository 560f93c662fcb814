"""A `.keras` file as a reference: the network in it, and the scale of pixels that a file of ours says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.meta.model_reference import reference_of_model
from stamp_tf.meta.network_file import load_network
from stamp_tf.meta.reference import Reference

_CARD = "input_and_classes.json"


def reference_of_file(path: Path, *, pixels: str | None = None) -> Reference:
    """Make a reference of a trained model in a file.

    A pruned network that left this library carries the mean and deviation of its images; they hold unless another
    scale is named.

    Args:
        path: The `.keras` file.
        pixels: See `reference_of_model`.

    Raises:
        StampError: If there is no such model, or its card is damaged.
    """
    model = load_network(path)
    return reference_of_model(model, pixels=pixels, known=None if pixels else _normalization_of(path))


def _normalization_of(path: Path) -> Normalization | None:
    """Return the normalisation that a file of ours carries beside the network."""
    with zipfile.ZipFile(path) as archive:
        if _CARD not in archive.namelist():
            return None
        text = archive.read(_CARD)
    try:
        card = json.loads(text)
        return Normalization(tuple(card["mean"]), tuple(card["std"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StampError(
            f"{_CARD} in {path} must hold the mean and deviation of its images, but does not; name the scale with "
            "--pixels."
        ) from None
