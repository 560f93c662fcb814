"""A `.keras` file as a reference: the network in it, with the scale of pixels and the classes that ours says."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.network_file import load_network
from stamp_tf.references.pixels.choice import pixel_normalization
from stamp_tf.references.reference import Reference

_CARD = "input_and_classes.json"


def reference_of_file(path: Path, *, pixels: str | None = None) -> Reference:
    """Make a reference of a trained model in a file.

    A pruned network that left this library says which pixels it takes, which holds unless another scale is named, and
    the names of its classes.

    Args:
        path: The `.keras` file.
        pixels: See `reference_of_model`.

    Raises:
        StampError: If there is no such model, or its card is damaged.
    """
    model, card = load_network(path), _card_of(path)
    reference = reference_of_model(model, pixels=pixels, known=card[0] if card and not pixels else None)
    if card and len(card[1]) == reference.backbone.num_classes:
        return replace(reference, description={**reference.description, "class_names": list(card[1])})
    return reference


def _card_of(path: Path) -> tuple[Normalization, tuple[str, ...]] | None:
    """Return what brings pixels to those that a file of ours takes, and the names of its classes."""
    with zipfile.ZipFile(path) as archive:
        if _CARD not in archive.namelist():
            return None
        text = archive.read(_CARD)
    try:
        card = json.loads(text)
        names = tuple(str(name) for name in card["class_names"])
        if "takes" in card:
            # Its mean and deviation are in the network, which takes pixels as they are.
            return pixel_normalization("0:255", len(card["mean"])), names
        return Normalization(tuple(card["mean"]), tuple(card["std"])), names
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StampError(
            f"{_CARD} in {path} must hold class names, mean and deviation of its images, but does not; save the "
            "network anew with model.save('model.keras')."
        ) from None
