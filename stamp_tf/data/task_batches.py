"""Mini-batches of small tasks: images of a few classes of a larger data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.data.augmentation import crop_and_flip
from stamp_tf.data.dataset import ImageSet
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.data.normalization import Normalization
    from stamp_tf.data.streaming import StreamedSet

MOST_WAYS = 20
"""Tasks of more classes hardly differ from all classes."""

ALL_CLASSES_SHARE = 0.3
"""Share of batches from all classes, which keep the network fit for those."""


@dataclass(frozen=True, eq=False)
class TaskBatch:
    """A mini-batch of one task.

    Args:
        images: Normalised, float32 `[b, H, W, D]`.
        labels: int32 `[b]`, values in [0, K): labels of the whole data set.
        classes: 0/1, float32 `[K]`: which classes belong to the task.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray


class TaskBatches:
    """Draws augmented batches of tasks, log-uniform from 2 to 20 ways, and now and then of all classes.

    Args:
        image_set: Images in memory, of K classes.
        batch_size: Images per batch, b; each of the task's classes gets about as many as any other.
        normalization: Turns uint8 pixels into float32.
        seed: With the step it decides everything, >= 0.
        flip: Whether augmentation may mirror.

    Raises:
        StampError: If the images are streamed.
    """

    def __init__(
        self,
        image_set: ImageSet | StreamedSet,
        batch_size: int,
        *,
        normalization: Normalization,
        seed: int,
        flip: bool,
    ) -> None:
        if not isinstance(image_set, ImageSet):
            raise StampError(
                "--mask-generator needs images in memory to draw tasks from, but the data set is streamed; give "
                "--train-size for a balanced part that fits, or leave the option out."
            )
        self.image_set = image_set
        self.batch_size = batch_size
        self.normalization = normalization
        self.seed = seed
        self.flip = flip
        counts = np.bincount(image_set.labels, minlength=image_set.num_classes)
        order = np.argsort(image_set.labels, kind="stable")
        self._positions = np.split(order, np.cumsum(counts)[:-1])
        self._present = np.flatnonzero(counts)

    def draw(self, step: int) -> TaskBatch:
        """Return the batch of a step.

        Args:
            step: From 0; the same step draws the same batch.
        """
        rng = np.random.default_rng((self.seed, step, 3))
        chosen = rng.choice(self._present, self._ways(rng), replace=False)
        per_class = -(-self.batch_size // len(chosen))
        positions = np.concatenate([self._some(rng, label, per_class) for label in chosen])
        positions = rng.permutation(positions)[: self.batch_size]
        images = self.image_set.images[positions]
        images = crop_and_flip(images, rng, padding=images.shape[1] // 8, flip=self.flip)
        classes = np.zeros(self.image_set.num_classes, "float32")
        classes[chosen] = 1.0
        labels = self.image_set.labels[positions].astype("int32")
        return TaskBatch(self.normalization(images), labels, classes)

    def _ways(self, rng: np.random.Generator) -> int:
        """Draw the number of classes."""
        most = len(self._present)
        if most <= 2 or rng.random() < ALL_CLASSES_SHARE:
            return most
        return round(math.exp(rng.uniform(math.log(2), math.log(min(MOST_WAYS, most)))))

    def _some(self, rng: np.random.Generator, label: int, number: int) -> np.ndarray:
        """Return positions of images of a class, none twice while there are enough."""
        positions = self._positions[label]
        return rng.choice(positions, number, replace=number > len(positions))
