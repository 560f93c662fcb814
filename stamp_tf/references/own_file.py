"""A network in a file or by its name as a reference, with the pixels and the classes that a file of ours says."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.references.legacy_file import SUFFIXES
from stamp_tf.references.load_network import load_network
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.network_file import load_network_file
from stamp_tf.references.pixels.choice import PixelChoice, pixel_normalization
from stamp_tf.references.pretrained.names import is_name
from stamp_tf.references.reference import Reference

_OF_PRETRAINED = "0:255"
_CARD = "input_and_classes.json"


def is_own(source: str | Path) -> bool:
    """Return whether a user names a network of their own or a pretrained one, not a run or a reference of ours.

    Args:
        source: What was given.
    """
    return is_name(source) or Path(source).suffix in (".keras", *SUFFIXES)


def own_reference(
    source: Path,
    *,
    pixels: str | None = None,
    image_shape: tuple[int, int, int] | None = None,
    download: bool = False,
) -> Reference:
    """Make a reference of a network in a file, or of a pretrained one by its name.

    Args:
        source: See `load_network`.
        pixels: See `reference_of_model`.
        image_shape: See `load_network`.
        download: See `load_network`.

    Raises:
        StampError: If there is no such network.
    """
    if not is_name(source):
        return reference_of_file(source, pixels=pixels)
    if pixels not in (None, _OF_PRETRAINED):
        raise StampError(
            f"`pixels` must be {_OF_PRETRAINED} for {source}, which scales its pixels itself, but is {pixels}; leave "
            "it out."
        )
    model = load_network(source, image_shape=image_shape, download=download)
    known = PixelChoice(scale=_OF_PRETRAINED, origin="network", reason=f"which {source} scales itself")
    return reference_of_model(model, known=known)


def reference_of_file(path: Path, *, pixels: str | None = None) -> Reference:
    """Make a reference of a trained model in a file.

    A pruned network that left this library says which pixels it takes, which holds unless another scale is named, and
    the names of its classes.

    Args:
        path: The `.keras` or `.h5` file.
        pixels: See `reference_of_model`.

    Raises:
        StampError: If there is no such model, or its card is damaged.
    """
    model, card = load_network_file(path), _card_of(path)
    reference = reference_of_model(model, pixels=pixels, known=card[0] if card and not pixels else None)
    if card and len(card[1]) == reference.backbone.num_classes:
        return replace(reference, description={**reference.description, "class_names": list(card[1])})
    return reference


def _card_of(path: Path) -> tuple[Normalization, tuple[str, ...]] | None:
    """Return what brings pixels to those that a file of ours takes, and the names of its classes."""
    if path.suffix in SUFFIXES:
        return None
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
