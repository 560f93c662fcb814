"""Mini-batches of normalised, augmented images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from stamp_tf.data.augmentation import crop_and_flip
from stamp_tf.data.normalization import Normalization
from stamp_tf.errors import StampError
from stamp_tf.seeds import check_seed

if TYPE_CHECKING:
    from stamp_tf.data.dataset import ImageSet
    from stamp_tf.data.streaming import StreamedSet
    from stamp_tf.workers import Workers


def even_batch_size(num_images: int, batch_size: int) -> int:
    """Return so many images per batch that hardly any wait for the next epoch.

    It is lowered where more than an eighth of an epoch would: 243 images make two batches of 121 instead of one of 128.

    Args:
        num_images: In an epoch.
        batch_size: At most so many per batch.
    """
    over = num_images % batch_size
    if num_images < batch_size or 8 * over <= num_images:
        return batch_size
    return num_images // (num_images // batch_size + 1)


class Batches:
    """Epochs of mini-batches that depend on nothing but the seed and the epoch's index.

    A run that is killed and resumed therefore sees the batches it would have seen.

    Args:
        image_set: Images in memory or streamed.
        batch_size: Images per batch, b >= 1.
        normalization: Turns uint8 pixels into float32.
        seed: Decides order and augmentation, >= 0.
        augment: Crop at random after padding by an eighth of the height, and mirror if `flip`.
        flip: Whether augmentation may mirror; False for digits, letters and signs. See `DataSet.flips`. Or the same for
            each class, bool `[classes]`.
        further: What else is done to images uint8 `[b, H, W, D]` of a batch, called with them and the epoch's source of
            randomness; returns as many of the same kind.
        shuffle: New order every epoch, and every batch full: what is left over waits for another epoch. A set
            smaller than `batch_size` then makes one batch of all its images. Without it, all images in order.

    Raises:
        StampError: If `batch_size` or `seed` is out of range.
    """

    def __init__(
        self,
        image_set: ImageSet | StreamedSet,
        batch_size: int,
        *,
        normalization: Normalization,
        seed: int,
        augment: bool,
        flip: bool | np.ndarray = True,
        further: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
        shuffle: bool = True,
    ) -> None:
        if batch_size < 1:
            raise StampError(f"`batch_size` must be at least 1, but is {batch_size}; give a positive number.")
        check_seed(seed)
        self.image_set = image_set
        self.batch_size = min(batch_size, len(image_set)) if shuffle else batch_size
        self.normalization = normalization
        self.seed = seed
        self.augment = augment
        self.flip = flip
        self.further = further
        self.shuffle = shuffle
        self._part: slice | None = None

    def shared_by(self, workers: Workers) -> Batches:
        """Return what of each batch one of several workers reads; drawn as for the whole.

        Args:
            workers: All of them; batches of one that is alone stay whole.

        Raises:
            StampError: If a batch cannot be shared out evenly.
        """
        workers.check_divides("batch_size", self.batch_size)
        shared = copy.copy(self)
        shared._part = None if workers.number == 1 else workers.part
        return shared

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(len(self.image_set), self.batch_size)
        return full + (rest > 0 and not self.shuffle)

    def epoch(self, index: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches of one epoch.

        Args:
            index: Of the epoch, from 0.

        Yields:
            Images float32 `[b, H, W, D]` and labels int32 `[b]`.
        """
        order_seed = (self.seed, index, 0) if self.shuffle else None
        rng = np.random.default_rng((self.seed, index, 1))
        own: dict[str, Any] = {} if self._part is None else {"part": self._part}
        drawn = own and {"num_drawn": self.batch_size, **own}
        for images, labels in self.image_set.raw_batches(
            self.batch_size, order_seed=order_seed, drop_remainder=self.shuffle, **own
        ):
            if self.augment:
                flip = self.flip if isinstance(self.flip, bool) else self.flip[labels]
                images = crop_and_flip(images, rng, padding=images.shape[1] // 8, flip=flip, **drawn)
            if self.further is not None:
                images = self.further(images, rng)
            yield self.normalization(images), labels
