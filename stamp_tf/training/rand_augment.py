"""Random changes of training images by Keras's own layers, as RandAugment has them, but another for every image."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from stamp_tf.backend import compile_step
from stamp_tf.tensor import Tensor


class RandAugment:
    """Changes each image of a batch by one operation: a rotation, a shear, a change of tone, or none.

    Keras's `RandAugment` changes all images of a batch alike and computes every operation for it. Here a batch is
    shared out among the operations, so that each costs its share alone, in one compiled step. Nothing is mirrored,
    and no rotation or shear is so strong that it makes one digit or sign of another.

    Args:
        image_shape: Height, width and depth.

    Source:
        Cubuk et al. 2020, RandAugment: Practical Automated Data Augmentation with a Reduced Search Space.
    """

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        tone = {"value_range": (0, 255), "dtype": "float32"}
        place = {"fill_mode": "reflect", "dtype": "float32"}
        self._layers: list[keras.Layer | None] = [
            None,
            layers.RandomRotation(15 / 360, **place),
            layers.RandomShear(0.15, 0.15, **place),
            layers.RandomBrightness(0.3, **tone),
            layers.RandomContrast(0.4, **tone),
            layers.RandomSharpness(0.6, **tone),
            layers.RandomPosterization(4, **tone),
            layers.Solarization(threshold_factor=(0.5, 1.0), **tone),
            layers.AutoContrast(**tone),
        ]
        if image_shape[2] == 3:
            self._layers.append(layers.RandomColorDegeneration(0.6, dtype="float32"))
        self._generators = [keras.random.SeedGenerator(0) for _ in self._layers]
        self._changed = compile_step(self._change, [one.state for one in self._generators])

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return changed images.

        Args:
            images: uint8 `[b, H, W, D]`.
            rng: Decides which operation an image gets, and how strong it is.

        Returns:
            uint8 `[b, H, W, D]`.
        """
        # Of fewer images than operations some are shown again, so that none is kept from any operation.
        order = rng.permutation(max(len(images), len(self._layers)))
        own = order < len(images)
        seeds = rng.integers(0, 2**32, (len(self._generators), 2), dtype=np.uint32)
        changed = ops.convert_to_numpy(self._changed(images[order % len(images)].astype("float32"), seeds))
        result = np.empty_like(images)
        result[order[own]] = np.clip(np.rint(changed[own]), 0, 255).astype(np.uint8)
        return result

    def _change(self, images: Tensor, seeds: Tensor) -> Tensor:
        """Change the first images by the first operation, and so on."""
        # A number, or a tensor once batches of several sizes were seen; each operation has an image at least.
        size, count, parts = ops.shape(images)[0], len(self._layers), []
        for place, (layer, generator) in enumerate(zip(self._layers, self._generators, strict=True)):
            generator.state.assign(seeds[place])
            first, end = (size * one // count for one in (place, place + 1))
            part = images[first:end]
            if layer is not None:
                drawn = layer.get_random_transformation(part, training=True, seed=generator)
                part = layer.transform_images(part, drawn, training=True)
            parts.append(part)
        return ops.concatenate(parts, axis=0)
