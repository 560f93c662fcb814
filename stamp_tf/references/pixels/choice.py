"""The scales of pixels that a network may have been trained on, and which of them holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.references.pixels.scale import FoundScale

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

_ENTRIES = {
    "scale": "pixels",
    "origin": "pixels_origin",
    "reason": "pixels_reason",
    "tried": "pixels_tried",
}
"""Field of `PixelChoice` -> entry in the description of a reference's file."""


@dataclass(frozen=True, kw_only=True)
class PixelChoice:
    """A scale of pixels, and how it was come by.

    Args:
        scale: A name of `PIXELS`, or `standardized`.
        origin: `network` if it was found there, `file` if the network's file says it, `option` if a user named it,
            `assumed`, or `measured` if it was tried on images.
        reason: In words.
        tried: Share of images that the network is right on at each scale, once that was tried.
    """

    scale: str
    origin: str
    reason: str
    tried: Mapping[str, float] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether it is one for all data sets."""
        return self.scale != STANDARDIZED

    def __str__(self) -> str:
        """Return one line for a user."""
        name = self.scale if self.is_fixed else f"{self.scale} by each data set"
        remedy = (
            "; if it was trained on another scale, name it with `pixels`" if self.origin == "assumed" else ""
        )
        return in_words_of_the_caller(f"Pixels: {name}, {self.reason}{remedy}.")

    def to_config(self) -> dict[str, Any]:
        """Return what the description in a reference's file holds of it."""
        content = {entry: getattr(self, name) for name, entry in _ENTRIES.items()}
        return {entry: value for entry, value in content.items() if value is not None}

    @classmethod
    def taken_from(cls, description: Mapping[str, Any]) -> tuple[PixelChoice | None, dict[str, Any]]:
        """Undo `to_config`.

        Args:
            description: Of a reference's file, checked by `ReferenceDescription`.

        Returns:
            The choice, None where the file has none, and the rest of the description.
        """
        rest = {name: value for name, value in description.items() if name not in _ENTRIES.values()}
        if "pixels" not in description:
            return None, rest
        known = {name: description[entry] for name, entry in _ENTRIES.items() if entry in description}
        return cls(**({"origin": "file", "reason": "as its file says"} | known)), rest


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
            return PixelChoice(
                scale=STANDARDIZED, origin="assumed", reason=f"assumed, because the network {says}"
            )
        if found.is_certain and not found.rivals:
            return PixelChoice(
                scale=found.pixels, origin="network", reason=f"found in the network ({found.formula})"
            )
        as_well = f", which may suit {' or '.join(found.rivals)} as well" if found.rivals else ""
        reason = f"assumed, because the network computes {found.formula}{as_well}"
        return PixelChoice(scale=found.pixels, origin="assumed", reason=reason)
    if pixels not in (*PIXELS, STANDARDIZED):
        raise StampError(
            f"`pixels` must be {', '.join(PIXELS)} or {STANDARDIZED}, but is {pixels!r}; name one of them, or leave it "
            "out."
        )
    if found.pixels not in (None, pixels) and pixels not in found.rivals:
        if found.is_certain:
            raise StampError(
                f"`pixels` must be the scale that the network is built for, but is {pixels} where it takes "
                f"{found.pixels} ({found.formula}); leave `pixels` out, or take the scaling out of the network."
            )
        logger.warning(
            "Pixels: %s, as was asked, but the network computes %s, as for %s.",
            pixels,
            found.formula,
            found.pixels,
        )
    return PixelChoice(scale=pixels, origin="option", reason="as was asked")


def pixels_of_file(known: Normalization) -> PixelChoice:
    """Return the scale that a file says its network was trained on.

    Args:
        known: Mean and deviation in the file.
    """
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (known.mean, known.std))
    return PixelChoice(
        scale="as in its file", origin="file", reason=f"mean {mean} and deviation {std} of pixels in [0, 1]"
    )


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
            f"`pixels=imagenet` needs images of depth 3, but the model's have {depth}; use another."
        ) from None
