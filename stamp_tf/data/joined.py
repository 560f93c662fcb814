"""Several data sets as one, of all their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.errors import StampError


@dataclass(frozen=True, eq=False)
class JoinedSet:
    """The training images of several data sets, whose classes follow each other.

    Args:
        images: All of them, in memory.
        flips: Whether a mirrored image still shows its class, bool `[classes]`.
    """

    images: ImageSet
    flips: np.ndarray


def joined(datasets: Sequence[DataSet]) -> JoinedSet:
    """Join the training images of data sets of one image shape.

    Args:
        datasets: One or more; the classes of the first keep their numbers.

    Raises:
        StampError: If one is streamed, or has images of another shape.
    """
    first = datasets[0]
    parts: list[ImageSet] = []
    for one in datasets:
        if not isinstance(one.train, ImageSet):
            raise StampError(
                f"Data sets that are trained on together must fit into memory, but {one.name} is streamed; take a part "
                "of it with `train_size`."
            )
        parts.append(one.train)
        if one.image_shape != first.image_shape:
            raise StampError(
                f"Data sets that are trained on together must have images of one shape, but {first.name} has "
                f"{list(first.image_shape)} and {one.name} {list(one.image_shape)}; load both with one `image_shape`."
            )
    starts = np.cumsum([0, *(one.num_classes for one in datasets)], dtype="int32")
    taken: set[str] = set()
    names: list[str] = []
    for one in datasets:
        own = [name if name not in taken else f"{one.name}: {name}" for name in one.class_names]
        taken.update(own)
        names += own
    images = ImageSet(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels + start for part, start in zip(parts, starts, strict=False)]),
        int(starts[-1]),
        class_names=tuple(names),
    )
    return JoinedSet(images, np.repeat([one.flips for one in datasets], np.diff(starts)))
