"""Labelled image sets that are decoded while they are used, because they do not fit in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from stamp_tf.data.dataset import ImageSet
from stamp_tf.data.decode_ahead import Example, decoded_ahead
from stamp_tf.data.samples import FULL_RANGE, Ranges
from stamp_tf.data.subset import balanced_indices
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class StreamedSet:
    """Labelled images that are read anew in every pass, decoded by threads ahead of their use.

    It takes the place of an `ImageSet` in `Batches` and `Normalization`; `subset` and `in_memory` make one.

    Args:
        origin: What to call the set in a message.
        examples: Opens a pass; given numbers that decide the order, or None for the set's own order.
        num_images: Images in a pass, n >= 1.
        image_shape: Height, width and depth that every image is brought to.
        class_names: One name per class.
        skip_corrupt: Leave out pictures that cannot be decoded, with a warning, instead of raising. A pass
            is then shorter than `num_images`.
        ranges: What white is in pictures of more than 8 bits.
        class_counts: Images of every class, int64 `[classes]`; None where the set would have to be read for it.
        listing: What tells the images from others without opening a pass, such as name, version and split; empty
            where the examples have to say it.
    """

    origin: str
    examples: Callable[[Sequence[int] | None], Iterable[Example]]
    num_images: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    skip_corrupt: bool = False
    ranges: Ranges = FULL_RANGE
    class_counts: np.ndarray | None = None
    listing: str = ""

    def __len__(self) -> int:
        return self.num_images

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def num_bytes(self) -> int:
        """What the whole set would take in memory."""
        height, width, depth = self.image_shape
        return self.num_images * height * width * depth

    def raw_batches(
        self,
        batch_size: int,
        *,
        order_seed: Sequence[int] | None,
        drop_remainder: bool,
        part: slice = slice(None),
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield one pass over the set, as uint8.

        Args:
            batch_size: Images per batch, b.
            order_seed: Numbers that decide the order; None keeps the order of the set.
            drop_remainder: Leave out a last batch that is not full.
            part: Which images of every batch to yield; no others are decoded, unless some may have to be skipped.

        Yields:
            Images uint8 `[b, H, W, D]` and labels int32 `[b]`.

        Raises:
            StampError: If a picture cannot be decoded and is not to be skipped.
        """
        if part != slice(None) and drop_remainder and not self.skip_corrupt:
            is_own = np.zeros(batch_size, bool)
            is_own[part] = True
            num_full = self.num_images - self.num_images % batch_size
            opened = enumerate(islice(self.examples(order_seed), num_full))
            examples: Iterable[Example] = (one for index, one in opened if is_own[index % batch_size])
            batch_size, part = int(is_own.sum()), slice(None)
        else:
            examples = self.examples(order_seed)
        images: list[np.ndarray] = []
        labels: list[int] = []
        for example, image in self._decoded(examples, 2 * batch_size):
            if isinstance(image, UnreadableImage):
                self._refuse_or_warn([(example.name, image)])
                continue
            images.append(image)
            labels.append(example.label)
            if len(images) == batch_size:
                yield np.stack(images[part]), np.array(labels[part], np.int32)
                images, labels = [], []
        if images[part] and not drop_remainder:
            yield np.stack(images[part]), np.array(labels[part], np.int32)

    def in_memory(self) -> ImageSet:
        """Decode everything.

        Raises:
            StampError: If a picture cannot be decoded and is not to be skipped, or a class loses its last
                one.
        """
        return self._gathered(self.examples(None), num_images=self.num_images)

    def subset(self, size: int, *, seed: int) -> ImageSet:
        """Decode a balanced part: the same number of images of every class, or all of a class that has fewer.

        Args:
            size: Wanted number of images; what cannot be shared out evenly is left.
            seed: Decides which images.

        Raises:
            StampError: If there are fewer images, or a picture cannot be decoded and is not to be
                skipped.
        """
        labels = np.fromiter((example.label for example in self.examples(None)), np.int64)
        chosen = balanced_indices(labels, size, class_names=self.class_names, seed=seed)
        wanted = np.zeros(len(labels), bool)
        wanted[chosen] = True
        examples = (
            example for example, is_wanted in zip(self.examples(None), wanted, strict=True) if is_wanted
        )
        return self._gathered(examples, num_images=len(chosen))

    def _gathered(self, examples: Iterable[Example], *, num_images: int) -> ImageSet:
        images = np.empty((num_images, *self.image_shape), np.uint8)
        labels = np.empty(num_images, np.int32)
        seen = np.zeros(self.num_classes, bool)
        unreadable: list[tuple[str, UnreadableImage]] = []
        count = 0
        for example, image in self._decoded(examples, 256):
            seen[example.label] = True
            if isinstance(image, UnreadableImage):
                unreadable.append((example.name, image))
                continue
            images[count], labels[count] = image, example.label
            count += 1
        if unreadable:
            self._refuse_or_warn(unreadable)
        emptied = seen.copy()
        emptied[labels[:count]] = False
        if emptied.any():
            raise StampError(
                f"{self.origin} must have a readable image in every class, but class "
                f"'{self.class_names[emptied.argmax()]}' has none left after `skip_corrupt=True`; mend its images."
            )
        return ImageSet(images[:count], labels[:count], self.num_classes, class_names=self.class_names)

    def _decoded(
        self, examples: Iterable[Example], num_ahead: int
    ) -> Iterator[tuple[Example, np.ndarray | UnreadableImage]]:
        return decoded_ahead(examples, self.image_shape, ranges=self.ranges, num_ahead=num_ahead)

    def _refuse_or_warn(self, unreadable: list[tuple[str, UnreadableImage]]) -> None:
        refuse_or_warn(self.origin, unreadable, skip_corrupt=self.skip_corrupt)


def refuse_or_warn(
    origin: str,
    unreadable: Sequence[tuple[str, UnreadableImage]],
    *,
    skip_corrupt: bool,
    option: str = "load:skip_corrupt=True",
) -> None:
    """Name the pictures that cannot be read: in the log if they are to be skipped, else in an error.

    Args:
        origin: What to call the set.
        unreadable: Name and reason of each, at least one.
        skip_corrupt: Whether to go on without them.
        option: What lets the caller skip them, for the message.

    Raises:
        StampError: If they are not to be skipped.
    """
    name, reason = unreadable[0]
    more = f" (and {len(unreadable) - 1} more)" if len(unreadable) > 1 else ""
    if not skip_corrupt:
        raise StampError(
            f"{origin} must hold readable images, but {name}{more} cannot be decoded: {reason}; "
            f"mend or remove it, or add `{option}`."
        )
    for name, reason in unreadable:
        set_name = origin.removeprefix("`dataset` ").strip("`")
        logger.warning("%s: skipped %s, which cannot be decoded: %s.", set_name, name, reason)
