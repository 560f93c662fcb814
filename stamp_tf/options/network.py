"""Which network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stamp_tf.options.fields import check_fields
from stamp_tf.options.forms import IMAGE_SIZE
from stamp_tf.options.option import option


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Which network; what is not given is that of the reference."""

    backbone: str | None = option(
        None,
        plugins="stamp_tf.backbones",
        help="The network.",
        default_in_words="the checkpoint's",
    )
    width: float | None = option(
        None,
        above=0,
        most=16,
        usual=1,
        help="Multiplies every layer's channels.",
        default_in_words="the checkpoint's",
    )
    image_shape: tuple[int, int, int] | None = option(
        None,
        flag="image-size",
        form=IMAGE_SIZE,
        help="Height and width that images are brought to.",
        default_in_words="the checkpoint's",
    )
    reference: Path | None = option(
        None,
        flag="from",
        help="Run directory or file of a reference network.",
        default_in_words="the bundled one",
    )
    model: Path | None = option(
        None,
        metavar="FILE|keras:NAME|hub:PRESET",
        help="Prune your own model, a .keras or .h5 file, or a pretrained one, instead of a reference network.",
    )
    pixels: Literal["standardized", "0:255", "0:1", "-1:1", "imagenet"] | None = option(
        None,
        help="What the images of `model` are scaled to.",
        default_in_words="0:255 if it scales them itself, else standardized",
    )

    def __post_init__(self) -> None:
        check_fields(self)
