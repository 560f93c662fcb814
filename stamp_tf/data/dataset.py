"""Labelled image sets that live in memory, and the pair of them that a run works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.arguments import check_arguments
from stamp_tf.data.class_names import check_class_names
from stamp_tf.data.subset import balanced_indices
from stamp_tf.errors import StampError
from stamp_tf.options.fields import received

if TYPE_CHECKING:
    from stamp_tf.data.origin import Origin
    from stamp_tf.data.streaming import StreamedSet


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images in memory.

    Args:
        images: uint8 `[n, H, W, D]`, values in [0, 255], n >= 1.
        labels: int32 `[n]`, values in [0, num_classes).
        num_classes: Number of classes, whether or not each of them has an image here.
        class_names: One name per class, in label order.

    Raises:
        StampError: If the arrays, their types or the labels do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    num_classes: int
    _: KW_ONLY
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        check_arguments(
            images=(images, np.ndarray),
            labels=(labels, np.ndarray),
            num_classes=(self.num_classes, int),
            class_names=(self.class_names, tuple[str, ...]),
        )
        object.__setattr__(self, "class_names", tuple(self.class_names))
        if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
            raise StampError(
                f"images must be uint8 of shape [n >= 1, H, W, D], but are {images.dtype} of shape "
                f"{list(images.shape)}; convert them first."
            )
        if labels.dtype != np.int32 or labels.shape != images.shape[:1]:
            raise StampError(
                f"labels must be int32 of shape [{len(images)}], one per image, but are {labels.dtype} of "
                f"shape {list(labels.shape)}; convert them first."
            )
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise StampError(
                f"labels must be in [0, {self.num_classes}), but span [{labels.min()}, {labels.max()}]; "
                "number the classes from 0."
            )
        if len(self.class_names) != self.num_classes:
            raise StampError(
                f"class_names must hold one name for each of the {self.num_classes} classes, but holds "
                f"{len(self.class_names)}; name them all."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and depth of every image."""
        height, width, depth = self.images.shape[1:]
        return height, width, depth

    def take(self, indices: np.ndarray) -> ImageSet:
        """Return the images at these positions, copied, with all classes kept.

        Args:
            indices: int `[k]`, positions in [0, n).
        """
        return ImageSet(
            self.images[indices], self.labels[indices], self.num_classes, class_names=self.class_names
        )

    def subset(self, size: int, *, seed: int) -> ImageSet:
        """Return a balanced part: the same number of images of every class, or all of a class that has fewer.

        Args:
            size: Wanted number of images; what cannot be shared out evenly is left.
            seed: Decides which images.

        Raises:
            StampError: If there are fewer images, or `size` is below one image per class.
        """
        return self.take(balanced_indices(self.labels, size, class_names=self.class_names, seed=seed))

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
            part: Which images of every batch to yield.

        Yields:
            Images uint8 `[b, H, W, D]` and labels int32 `[b]`.
        """
        num_images = len(self)
        order = None if order_seed is None else np.random.default_rng(order_seed).permutation(num_images)
        end = num_images - num_images % batch_size if drop_remainder else num_images
        for start in range(0, end, batch_size):
            if order is None:
                batch = slice(start, start + batch_size)
                yield self.images[batch][part], self.labels[batch][part]
            else:
                positions = order[start : start + batch_size][part]
                yield self.images[positions], self.labels[positions]


@dataclass(frozen=True, eq=False)
class DataSet:
    """What a run trains on and is tested on.

    Args:
        name: How the user named it.
        train: Images to learn from; streamed when they do not fit in memory.
        test: Images to be judged on.
        flips: Whether a mirrored image still shows its class. False for digits and letters.
        path: The file or folder that a source read it from; None where there is none.
        origin: What loads it again; None for one that was made in Python. `load_dataset` sets it.
        test_by_content: Whether `test` was split off by content, because the source brings no test part.
        validation: Training images that are held out, to judge epochs by; None holds none.

    Raises:
        StampError: If the two parts disagree about classes or image shape, a class name cannot be shown, or two
            classes have one name.
    """

    name: str
    train: ImageSet | StreamedSet
    test: ImageSet | StreamedSet
    _: KW_ONLY
    flips: bool = True
    path: Path | None = None
    origin: Origin | None = None
    test_by_content: bool = False
    validation: ImageSet | StreamedSet | None = None

    def __post_init__(self) -> None:
        check_arguments(
            name=(self.name, str),
            flips=(self.flips, bool),
            path=(self.path, Path | None),
            test_by_content=(self.test_by_content, bool),
        )
        for which, part in (("train", self.train), ("test", self.test)):
            # A streamed set is known by what it can do, as importing it here would be a circle.
            if not isinstance(part, ImageSet) and not hasattr(part, "raw_batches"):
                raise StampError(
                    f"{which} must be an ImageSet or a StreamedSet, but is {received(part)}; make one of arrays with "
                    "stamp_tf.data.ImageSet."
                )
        check_class_names(self.train.class_names, f"`dataset` {self.name}")
        for what in ("class_names", "image_shape"):
            of_train, of_test = getattr(self.train, what), getattr(self.test, what)
            if of_train != of_test:
                raise StampError(
                    f"`dataset` {self.name} must have the same {what.replace('_', ' ')} in train and test, "
                    f"but has {of_train} and {of_test}; make them agree."
                )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.train.num_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in label order."""
        return self.train.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and depth of every image."""
        return self.train.image_shape
