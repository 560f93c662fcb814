"""Test images that nobody may look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stamp_tf.data import ImageSet


class ClosedImages:
    """Stands for a set of images whose pixels and labels a method must not read.

    Args:
        images: The set; number, classes and shape may be asked for.
    """

    def __init__(self, images: ImageSet) -> None:
        self.class_names, self.num_classes = images.class_names, images.num_classes
        self.image_shape = images.image_shape
        self._number = len(images)

    def __len__(self) -> int:
        return self._number

    @property
    def images(self) -> np.ndarray:
        """Raises: it would be the pixels."""
        raise AssertionError("The test images must not be looked at, but were read.")

    @property
    def labels(self) -> np.ndarray:
        """Raises: it would be the labels."""
        raise AssertionError("The test images must not be looked at, but their labels were read.")

    def raw_batches(
        self, batch_size: int, *, order_seed: Sequence[int] | None, drop_remainder: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Raise: it would be images and labels."""
        raise AssertionError("The test images must not be looked at, but were read.")
