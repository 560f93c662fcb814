"""What an exported network answers to the test images of a data set."""

from __future__ import annotations

import math
import time

from stamp_tf.data import ImageSet, StreamedSet
from stamp_tf.on_step import OnStep
from stamp_tf.serving.exported import Exported
from stamp_tf.training.accuracy import Tally, TestCounts

BATCH_SIZE = 32


def count_answers(
    network: Exported,
    images: ImageSet | StreamedSet,
    *,
    max_seconds: float | None = None,
    on_step: OnStep | None = None,
) -> TestCounts:
    """Count what a network that left classifies rightly.

    Args:
        network: What `load_exported` returned.
        images: Of the network's size, labelled in the order of its classes.
        max_seconds: No new batch after so long; images are then drawn at random. None tests all.
        on_step: Called with (batches done, all batches, figures).

    Raises:
        StampError: If an image cannot be read, or none is left.
        NotFiniteError: If a probability is not finite.
    """
    tally = Tally(len(network.class_names))
    num_batches = math.ceil(len(images) / BATCH_SIZE)
    order = None if max_seconds is None else (0, 7)
    batches = images.raw_batches(BATCH_SIZE, order_seed=order, drop_remainder=False)
    started = time.perf_counter()
    for done, (pixels, labels) in enumerate(batches, start=1):
        probabilities = network(pixels)
        tally.add(pixels, labels=labels, answers=probabilities.argmax(axis=1), probabilities=probabilities)
        if on_step is not None:
            on_step(done, num_batches, {"images": len(labels)})
        if max_seconds is not None and time.perf_counter() - started > max_seconds:
            break
    return tally.counts()
