"""Accuracy and statistics of a network on a data set."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

import keras
import numpy as np

from stamp_tf.backbones.end import split_end
from stamp_tf.data import ImageSet, Normalization, StreamedSet
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import NotFiniteError, StampError
from stamp_tf.losses import class_probabilities, predicted_classes
from stamp_tf.measure.mistakes import Mistake, surest_mistakes
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
        confidences: Probability that it gave its answer, `[n]` in [0, 1].
        mistakes: The images that it was surest of and wrong about, the surest first.
    """

    # Not a test, whatever its name says to pytest.
    __test__ = False

    labels: np.ndarray
    answers: np.ndarray
    class_count: int
    _: KW_ONLY
    confidences: np.ndarray
    mistakes: tuple[Mistake, ...] = ()

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


class Tally:
    """Collects what a network answers to test images, batch by batch.

    Args:
        num_classes: Of the network.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._labels = [np.zeros(0, np.int64)]
        self._answers = [np.zeros(0, np.int64)]
        self._confidences = [np.zeros(0, np.float32)]
        self._mistakes: tuple[Mistake, ...] = ()
        self.num_images = 0

    def add(
        self, pixels: np.ndarray, *, labels: np.ndarray, answers: np.ndarray, probabilities: np.ndarray
    ) -> None:
        """Add a batch.

        Args:
            pixels: The images, uint8 `[B, H, W, D]`.
            labels: Their classes, int `[B]`.
            answers: What the network found likeliest, int `[B]`.
            probabilities: Of every class, `[B, classes]`.
        """
        confidences = np.take_along_axis(probabilities, answers[:, None], axis=1)[:, 0]
        self._labels.append(labels)
        self._answers.append(answers)
        self._confidences.append(confidences)
        self._mistakes = surest_mistakes(
            self._mistakes,
            pixels,
            labels=labels,
            answers=answers,
            confidences=confidences,
            first=self.num_images,
        )
        self.num_images += len(labels)

    def counts(self) -> TestCounts:
        """Return what was answered to all of them.

        Raises:
            StampError: If no image is left to test.
        """
        if not self.num_images:
            raise StampError("The test images must be readable, but none is; mend them.")
        return TestCounts(
            np.concatenate(self._labels),
            np.concatenate(self._answers),
            self._num_classes,
            confidences=np.concatenate(self._confidences),
            mistakes=self._mistakes,
        )


def count_hits(
    model: keras.Model,
    images: ImageSet | StreamedSet,
    *,
    normalization: Normalization,
    end: End = LOGITS,
    on_step: OnStep | None = None,
) -> TestCounts:
    """Count what a network classifies rightly.

    Args:
        model: From images `[B, H, W, D]` to logits, or to what stands behind them; of one output for two classes
            both sides of even odds.
        images: The test images.
        normalization: That of the images the network was trained on.
        end: What stands behind logits that the network gives, which confidences go by.
        on_step: Called with (batches done, all batches, figures).

    Raises:
        NotFiniteError: If logits are not finite, for the largest of them says nothing and must not count as right.
        StampError: If no image is left to test.
    """
    if model.output_shape[-1] == 1:
        # Even odds are a logit of 0, but a sigmoid of one half.
        model, end = split_end(model)
    tally, num_bad = Tally(images.num_classes), 0
    num_batches = math.ceil(len(images) / BATCH_SIZE)
    batches = images.raw_batches(BATCH_SIZE, order_seed=None, drop_remainder=False)
    for done, (pixels, labels) in enumerate(batches, start=1):
        logits = np.asarray(model.predict_on_batch(normalization(pixels)))
        num_bad += int((~np.isfinite(logits).all(axis=-1)).sum())
        tally.add(
            pixels,
            labels=labels,
            # By logits, because different ones may round to one probability.
            answers=np.asarray(predicted_classes(logits)),
            probabilities=np.asarray(class_probabilities(logits, end)),
        )
        if on_step is not None:
            on_step(done, num_batches, {"images": len(labels)})
    if num_bad:
        raise NotFiniteError(
            f"A network must give finite logits, but {model.name} gives NaN or infinity for {num_bad} of "
            f"{tally.num_images} test images; use weights from before its training diverged, or another network."
        )
    return tally.counts()


def evaluate_accuracy(
    model: keras.Model, images: ImageSet | StreamedSet, *, normalization: Normalization
) -> float:
    """Return the fraction of images that a network classifies rightly; otherwise `count_hits`."""
    return count_hits(model, images, normalization=normalization).accuracy
