"""A random part of a labelled set, in memory."""

from __future__ import annotations

import numpy as np

from stamp_tf.data.dataset import ImageSet
from stamp_tf.data.streaming import StreamedSet


def random_part(part: ImageSet | StreamedSet, size: int, *, seed: int) -> ImageSet:
    """Return so many images at random, or all of them if there are fewer.

    Args:
        part: Images in memory or streamed.
        size: Wanted number of images.
        seed: Decides which.
    """
    if isinstance(part, ImageSet):
        if size >= len(part):
            return part
        return part.take(np.sort(np.random.default_rng((seed, 6)).permutation(len(part))[:size]))
    images, labels = next(part.raw_batches(min(size, len(part)), order_seed=(seed, 6), drop_remainder=False))
    return ImageSet(images, labels, part.num_classes, class_names=part.class_names)
