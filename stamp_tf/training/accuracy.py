"""Accuracy and statistics of a network on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet
from stamp_tf.errors import NotFiniteError, StampError
from stamp_tf.on_step import OnStep

BATCH_SIZE = 500
"""Images that are tested at once."""


@dataclass(frozen=True, eq=False)
class TestCounts:
    """What a network answered to test images, class by class.

    Args:
        labels: Class of each image, int `[n]`, n >= 1.
        answers: What the network found likeliest, int `[n]`.
        class_count: Number of classes.
    """

    # Not a test, whatever its name says to pytest.
    __test__ = False

    labels: np.ndarray
    answers: np.ndarray
    class_count: int

    @property
    def hits(self) -> np.ndarray:
        """Images classified rightly, int64 `[classes]`."""
        return np.bincount(self.labels[self.labels == self.answers], minlength=self.class_count)

    @property
    def images(self) -> np.ndarray:
        """Images tested, int64 `[classes]`; unreadable ones that are skipped are none of them."""
        return np.bincount(self.labels, minlength=self.class_count)

    @property
    def accuracy(self) -> float:
        """Share of the tested images classified rightly, in [0, 1]."""
        return int((self.labels == self.answers).sum()) / self.num_images

    @property
    def num_images(self) -> int:
        """Number of images tested."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Number of classes of which an image was tested."""
        return int((self.images > 0).sum())

    def confusions(self) -> list[tuple[int, int, int]]:
        """Return (class, what it was taken for, images) of all that were taken for another, the most frequent first."""
        wrong = np.stack([self.labels, self.answers])[:, self.labels != self.answers]
        pairs, counts = np.unique(wrong, axis=1, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [(int(pairs[0, place]), int(pairs[1, place]), int(counts[place])) for place in order]


def count_hits(
    model: keras.Model,
    images: ImageSet | StreamedSet,
    *,
    normalization: Normalization,
    on_step: OnStep | None = None,
) -> TestCounts:
    """Count what a network classifies rightly.

    Args:
        model: From images `[B, H, W, D]` to logits, or to what stands behind them; of one output for two classes
            both sides of even odds.
        images: The test images.
        normalization: That of the images the network was trained on.
        on_step: Called with (batches done, all batches, figures).

    Raises:
        NotFiniteError: If logits are not finite, for the largest of them says nothing and must not count as right.
        StampError: If no image is left to test.
    """
    if model.output_shape[-1] == 1:
        # Even odds are a logit of 0, but a sigmoid of one half.
        model, _ = split_end(model)
    batches = Batches(images, BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    labels, answers, num_bad = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    for done, (x, y) in enumerate(batches.epoch(0), start=1):
        logits = np.asarray(model.predict_on_batch(x))
        labels.append(y)
        answers.append(_classes(logits))
        num_bad += int((~np.isfinite(logits).all(axis=-1)).sum())
        if on_step is not None:
            on_step(done, len(batches), {"images": len(y)})
    if num_bad:
        raise NotFiniteError(
            f"A network must give finite logits, but {model.name} gives NaN or infinity for {num_bad} of "
            f"{sum(map(len, labels))} test images; use weights from before its training diverged, or another network."
        )
    return counted(labels, answers, num_classes=images.num_classes)


def counted(labels: Sequence[np.ndarray], answers: Sequence[np.ndarray], *, num_classes: int) -> TestCounts:
    """Return what a network answered to batches of test images.

    Args:
        labels: Of each batch, int `[B]`.
        answers: Of each batch, int `[B]`.
        num_classes: Of the network.

    Raises:
        StampError: If no image is left to test.
    """
    if not sum(map(len, labels)):
        raise StampError("The test images must be readable, but none is; mend them.")
    return TestCounts(np.concatenate(labels), np.concatenate(answers), num_classes)


def evaluate_accuracy(
    model: keras.Model, images: ImageSet | StreamedSet, *, normalization: Normalization
) -> float:
    """Return the fraction of images that a network classifies rightly; otherwise `count_hits`."""
    return count_hits(model, images, normalization=normalization).accuracy


def _classes(logits: np.ndarray) -> np.ndarray:
    return (logits[:, 0] > 0).astype(np.int64) if logits.shape[-1] == 1 else np.argmax(logits, axis=-1)
