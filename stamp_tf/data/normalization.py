"""Shift and scale that give a data set's pixels zero mean and unit deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.data.dataset import ImageSet
    from stamp_tf.data.streaming import StreamedSet

# Enough for three digits of the mean; a streamed set is not read twice for the sake of a fourth.
MAX_IMAGES_OF_A_STREAM = 10_000
# A depth slice that never varies would divide by zero.
SMALLEST_STD = 1e-3


@dataclass(frozen=True)
class Normalization:
    """Per-depth mean and standard deviation of pixels in [0, 1].

    Args:
        mean: D values in [0, 1].
        std: D values above 0.

    Raises:
        StampError: If the two lengths differ or a deviation is not positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(float(value) for value in self.mean))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        is_whole = bool(self.mean) and len(self.mean) == len(self.std) and min(self.std) > 0
        if not is_whole or not np.isfinite([self.mean, self.std]).all():
            raise StampError(
                "normalization must have one finite mean and one positive std per image depth, but has mean "
                f"{self.mean} and std {self.std}; use those that the run stored."
            )

    @classmethod
    def of(cls, image_set: ImageSet | StreamedSet) -> Normalization:
        """Measure a set: all of one in memory, the first 10,000 images of a streamed one.

        Args:
            image_set: Where the pixels come from.
        """
        depth = image_set.image_shape[2]
        counts = np.zeros((depth, 256), np.int64)
        num_images = 0
        order_seed = None if hasattr(image_set, "images") else (0,)
        for images, _ in image_set.raw_batches(500, order_seed=order_seed, drop_remainder=False):
            for index in range(depth):
                counts[index] += np.bincount(images[..., index].ravel(), minlength=256)
            num_images += len(images)
            if order_seed is not None and num_images >= MAX_IMAGES_OF_A_STREAM:
                break
        # Counts of the 256 values make the result exact and independent of the order of the images.
        share = counts / counts.sum(axis=1, keepdims=True)
        values = np.arange(256) / 255
        mean = share @ values
        std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
        return cls(tuple(mean), tuple(np.maximum(std, SMALLEST_STD)))

    def to_config(self) -> dict[str, list[float]]:
        """Return what JSON can hold."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Normalization:
        """Rebuild from `to_config`."""
        return cls(tuple(config["mean"]), tuple(config["std"]))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Normalise pixels.

        Args:
            images: uint8 `[..., W, D]`.

        Returns:
            float32 of the same shape, about zero mean and unit deviation.

        Raises:
            StampError: If the images' depth or type is another.
        """
        if images.dtype != np.uint8 or images.shape[-1] != len(self.mean):
            raise StampError(
                f"images must be uint8 of depth {len(self.mean)} to be normalised, but are {images.dtype} of "
                f"shape {list(images.shape)}; convert them first."
            )
        scale = np.float32(1 / 255) / np.asarray(self.std, np.float32)
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        # Whole rows instead of pixels: numpy's inner loop is then W * D long, not D, which is 5 times faster.
        width = images.shape[-2]
        rows = images.reshape(-1, width * images.shape[-1])
        result = np.multiply(rows, np.tile(scale, width), dtype=np.float32)
        result -= np.tile(shift, width)
        return result.reshape(images.shape)
