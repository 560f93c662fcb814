"""The scales of pixels that a network may have been trained on, and which of them holds."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.references.pixels.scale import FoundScale
from stamp_tf.references.reference import Reference

logger = logging.getLogger(__name__)

PIXELS: dict[str, tuple[Any, Any]] = {
    "0:255": (0.0, 1 / 255),
    "0:1": (0.0, 1.0),
    "-1:1": (0.5, 0.5),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and deviation, of pixels in [0, 1], that bring pixels to what a model was trained on."""

STANDARDIZED = "standardized"
"""The mean and deviation of each data set."""


@dataclass(frozen=True)
class PixelChoice:
    """A scale of pixels, and how it was come by.

    Args:
        pixels: A name of `PIXELS`, or `standardized`.
        origin: `network` if it was found there, `file` if the network's file says it, `option` if a user named it,
            `assumed`, or `measured` if it was tried on images.
        reason: In words.
    """

    pixels: str
    origin: str
    reason: str

    def __str__(self) -> str:
        """Return one line for a user."""
        name = f"{self.pixels} by each data set" if self.pixels == "standardized" else self.pixels
        remedy = (
            "; if it was trained on another scale, name it with --pixels" if self.origin == "assumed" else ""
        )
        return in_words_of_the_caller(f"Pixels: {name}, {self.reason}{remedy}.", {})

    def to_config(self) -> dict[str, str]:
        """Return what a reference's description holds of it."""
        return {"pixels": self.pixels, "pixels_origin": self.origin, "pixels_reason": self.reason}


def choose_pixels(pixels: str | None, found: FoundScale) -> PixelChoice:
    """Weigh what a user says against what the network says.

    Args:
        pixels: What a user says, or None.
        found: What the network says.

    Raises:
        StampError: If the two contradict each other for certain, or there is no such scale.
    """
    if pixels is None:
        if found.pixels is None:
            says = f"does not tell ({found.formula})" if found.formula else "does not scale its input"
            return PixelChoice(STANDARDIZED, "assumed", f"assumed, because the network {says}")
        if found.is_certain and not found.rivals:
            return PixelChoice(found.pixels, "network", f"found in the network ({found.formula})")
        as_well = f", which may suit {' or '.join(found.rivals)} as well" if found.rivals else ""
        reason = f"assumed, because the network computes {found.formula}{as_well}"
        return PixelChoice(found.pixels, "assumed", reason)
    if pixels not in (*PIXELS, STANDARDIZED):
        raise StampError(
            f"--pixels must be {', '.join(PIXELS)} or {STANDARDIZED}, but is {pixels!r}; name one of them, or leave it "
            "out."
        )
    if found.pixels not in (None, pixels) and pixels not in found.rivals:
        if found.is_certain:
            raise StampError(
                f"--pixels must be the scale that the network is built for, but is {pixels} where it takes "
                f"{found.pixels} ({found.formula}); leave --pixels out, or take the scaling out of the network."
            )
        logger.warning(
            "Pixels: %s, as was asked, but the network computes %s, as for %s.",
            pixels,
            found.formula,
            found.pixels,
        )
    return PixelChoice(pixels, "option", "as was asked")


def pixels_of_file(known: Normalization) -> PixelChoice:
    """Return the scale that a file says its network was trained on.

    Args:
        known: Mean and deviation in the file.
    """
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (known.mean, known.std))
    return PixelChoice("as in its file", "file", f"mean {mean} and deviation {std} of pixels in [0, 1]")


def with_pixels(reference: Reference, chosen: PixelChoice) -> Reference:
    """Return a reference whose images are scaled in another way; its networks are the same.

    Args:
        reference: Of a model of somebody's own.
        chosen: The scale, and where it comes from.

    Raises:
        StampError: If the scale needs another depth.
    """
    changed = copy.copy(reference)
    changed.normalization = pixel_normalization(chosen.pixels, reference.backbone.input_shape[2])
    changed.description = {**reference.description, **chosen.to_config()}
    return changed


def pixel_normalization(pixels: str, depth: int) -> Normalization:
    """Return how images are scaled.

    Args:
        pixels: A name of `PIXELS`; for any other name pixels stay in [0, 1].
        depth: Of an image.

    Raises:
        StampError: If the scale needs another depth.
    """
    mean, std = PIXELS.get(pixels, (0.0, 1.0))
    try:
        return Normalization(tuple(np.broadcast_to(mean, depth)), tuple(np.broadcast_to(std, depth)))
    except ValueError:
        raise StampError(
            f"--pixels imagenet needs images of depth 3, but the model's have {depth}; use another."
        ) from None
