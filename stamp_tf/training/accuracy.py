"""Accuracy and statistics of a network on a data set."""

from __future__ import annotations

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
    """How a network did on test images, class by class.

    Args:
        hits: Images classified rightly, int64 `[classes]`.
        images: Images tested, int64 `[classes]`.
    """

    # Not a test, whatever its name says to pytest.
    __test__ = False

    hits: np.ndarray
    images: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of the tested images classified rightly, in [0, 1]."""
        return int(self.hits.sum()) / self.num_images

    @property
    def num_images(self) -> int:
        """Number of images tested; unreadable ones that are skipped are none of them."""
        return int(self.images.sum())

    @property
    def num_classes(self) -> int:
        """Number of classes of which an image was tested."""
        return int((self.images > 0).sum())


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
    labels, right = right_answers(model, images, normalization=normalization, on_step=on_step)
    hits, tested = (np.bincount(one, minlength=images.num_classes) for one in (labels[right], labels))
    return TestCounts(hits, tested)


def right_answers(
    model: keras.Model,
    images: ImageSet | StreamedSet,
    *,
    normalization: Normalization,
    on_step: OnStep | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of each image, int `[n]`, and whether a network finds it, bool `[n]`; otherwise `count_hits`."""
    if model.output_shape[-1] == 1:
        # Even odds are a logit of 0, but a sigmoid of one half.
        model, _ = split_end(model)
    batches = Batches(images, BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    labels, right, num_bad = [np.zeros(0, np.int64)], [np.zeros(0, bool)], 0
    for done, (x, y) in enumerate(batches.epoch(0), start=1):
        logits = np.asarray(model.predict_on_batch(x))
        labels.append(y)
        right.append(_classes(logits) == y)
        num_bad += int((~np.isfinite(logits).all(axis=-1)).sum())
        if on_step is not None:
            on_step(done, len(batches), {"images": len(y)})
    found = np.concatenate(labels)
    if num_bad:
        raise NotFiniteError(
            f"A network must give finite logits, but {model.name} gives NaN or infinity for {num_bad} of "
            f"{len(found)} test images; use weights from before its training diverged, or another network."
        )
    if not len(found):
        raise StampError("The test images must be readable, but none is; mend them.")
    return found, np.concatenate(right)


def evaluate_accuracy(
    model: keras.Model, images: ImageSet | StreamedSet, *, normalization: Normalization
) -> float:
    """Return the fraction of images that a network classifies rightly; otherwise `count_hits`."""
    return count_hits(model, images, normalization=normalization).accuracy


def _classes(logits: np.ndarray) -> np.ndarray:
    return logits[:, 0] > 0 if logits.shape[-1] == 1 else np.argmax(logits, axis=-1)
