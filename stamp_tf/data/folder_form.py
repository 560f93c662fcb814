"""What the pictures of a folder have in common: size, range and that all can be read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stamp_tf.data.folder_parts import Part
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.samples import Ranges
from stamp_tf.data.streaming import refuse_or_warn
from stamp_tf.data.survey import Look, survey
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError
from stamp_tf.printable import printable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Form:
    """What all images of a set are brought to.

    Args:
        image_shape: Height, width and depth.
        ranges: What white is in pictures of more than 8 bits.
    """

    image_shape: tuple[int, int, int]
    ranges: Ranges


def surveyed(
    parts: dict[str, Part], root: Path, *, where: str, options: LoadOptions
) -> tuple[dict[str, Part], Form]:
    """Look at every picture once.

    Args:
        parts: The image files of each part.
        root: The folder that the user named.
        where: What to call it in a message.
        options: How to load.

    Returns:
        The parts without pictures that cannot be read, with the numbers of their contents where these are needed for a
        split or for a warning; and what all are brought to.

    Raises:
        StampError: If a picture cannot be read (unless skipped), a class has none left, or sizes or ranges do not
            agree.
    """
    unreadable: list[tuple[str, UnreadableImage]] = []
    looks: dict[str, Look] = {}
    checked = {}
    with_keys = "test" not in parts or not _too_large(parts, options)
    for name, part in parts.items():
        keys, readable = [], []
        for index, look in enumerate(survey(part.paths, with_keys=with_keys)):
            relative = printable(str(part.paths[index].relative_to(root)))
            if isinstance(look, UnreadableImage):
                unreadable.append((relative, look))
                continue
            looks[relative] = look
            keys.append(look.key)
            readable.append(index)
        kept = part.take(np.array(readable, np.int64))
        checked[name] = replace(kept, keys=np.array(keys if with_keys else [], np.uint64))
    if unreadable:
        refuse_or_warn(where, unreadable, skip_corrupt=options.skip_corrupt)
    if not with_keys:
        logger.info("%s is streamed: nobody looks for images that are in both parts.", where.split(" ", 1)[1])
    for part in checked.values():
        missing = np.bincount(part.labels, minlength=len(part.class_names)) == 0
        if missing.any():
            raise StampError(
                f"{where} must have a readable image in every class, but class "
                f"'{part.class_names[missing.argmax()]}' has none left after `skip_corrupt=True`; mend its images."
            )
    ranges = ranges_of(looks, where)
    if options.image_shape is not None:
        return checked, Form(options.image_shape, ranges)
    sizes: dict[tuple[int, int], str] = {}
    for relative, look in looks.items():
        sizes.setdefault(look.size, relative)
    if len(sizes) > 1:
        (one, first), (two, second) = list(sizes.items())[:2]
        raise StampError(
            f"{where} must hold images of one size when no image_shape is given, but {first} is {one[0]} x {one[1]} "
            f"and {second} {two[0]} x {two[1]}; give image_shape."
        )
    return checked, Form((*next(iter(sizes)), 3), ranges)


def _too_large(parts: dict[str, Part], options: LoadOptions) -> bool:
    """Tell whether the set is so large that its files are not read for the sake of a warning."""
    height, width, depth = options.image_shape or (1, 1, 1)
    return any(len(part.paths) * height * width * depth > options.stream_above for part in parts.values())


def ranges_of(looks: Mapping[str, Look], where: str) -> Ranges:
    """Choose what white is in pictures of more than 8 bits, for the whole set, and say so.

    Args:
        looks: At its pictures, by their names.
        where: What to call the set in a message: "`dataset` " and its name.

    Raises:
        StampError: If their ranges do not agree.
    """
    peaks = {name: look.peak for name, look in looks.items() if look.peak is not None}
    try:
        ranges = Ranges.of(list(peaks.values()))
    except UnreadableImage as error:
        highest = max(peaks, key=lambda name: peaks[name].floating or 0)
        raise StampError(
            f"{where} must hold images of a known range, but {error} ({highest}); bring all to one of them, or save "
            "8 bits."
        ) from None
    name = where.split(" ", 1)[-1].strip("`")
    if ranges.bits < 16:
        logger.warning(
            "%s: its 16-bit images reach %s at most and are read as of %d bits. Whatever is compared with them must "
            "reach as far; 8 bits a sample leave no doubt.",
            name,
            f"{max(peak.integer or 0 for peak in peaks.values()):,}",
            ranges.bits,
        )
    if any(peak.floating is not None for peak in peaks.values()):
        logger.info("%s: its floating-point images are read as of 0 to %g.", name, ranges.float_top)
    return ranges
