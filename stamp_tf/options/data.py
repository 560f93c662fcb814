"""Which images, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stamp_tf.options.fields import check_fields
from stamp_tf.options.option import option
from stamp_tf.seeds import LARGEST_SEED


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Which images, and how to get them."""

    dataset: str | None = option(
        None,
        metavar="NAME",
        such_as="digits",
        help="digits, a TFDS name, folder:PATH, npz:PATH, or a plug-in's name.",
    )
    data_dir: Path | None = option(None, help="Where TFDS keeps prepared data sets.")
    download: bool = option(False, help="Allow a data set to be downloaded.")
    skip_corrupt: bool = option(False, help="Leave unreadable images out instead of stopping.")
    train_size: int | None = option(
        None,
        least=1,
        help="Keep this many training images, the same number of each class or all of one that has fewer.",
        default_in_words="all",
    )
    flip: bool = option(True, help="Mirror images in training; not for digits and signs.")
    seed: int = option(
        0, least=0, most=LARGEST_SEED, help="Of subsets, order, augmentation and initial values."
    )

    def __post_init__(self) -> None:
        check_fields(self)
