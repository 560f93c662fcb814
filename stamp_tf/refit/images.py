"""Which images of a data set a network is refitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from stamp_tf.data import Batches, DataSet, Normalization, random_part
from stamp_tf.refit.inputs import batch_size

MOST_IMAGES = 1000


def refit_images(
    dataset: DataSet, normalization: Normalization, *, seed: int, mirrored: bool = True
) -> Callable[[], Iterator[np.ndarray]]:
    """Return what gives training images batch by batch, the same ones at every call.

    Args:
        dataset: Whose training images; up to 1,000 at random.
        normalization: Of its images.
        seed: Decides which.
        mirrored: Whether to take each as its mirror image, too, where the data set allows it and there are few.
    """
    part = random_part(dataset.train, MOST_IMAGES, seed=seed)
    size = batch_size(part.images.shape[1:])
    batches = Batches(part, size, normalization=normalization, seed=seed, augment=False, shuffle=False)
    is_mirrored = mirrored and dataset.flips and 2 * len(part) <= MOST_IMAGES

    def images() -> Iterator[np.ndarray]:
        for batch, _ in batches.epoch(0):
            yield batch
            if is_mirrored:
                yield batch[:, :, ::-1]

    return images
