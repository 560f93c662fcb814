"""Say so where training ended with a network that knows nothing, though every number stayed finite."""

from __future__ import annotations

import logging
import math

from stamp_tf.data import ImageSet, StreamedSet
from stamp_tf.data.class_counts import class_counts
from stamp_tf.notation import in_words_of_the_caller

logger = logging.getLogger(__name__)

_SMALLEST_LOSS = 0.1


def warn_if_lost(
    training: str,
    after: float,
    *,
    test: ImageSet | StreamedSet,
    remedy: str,
    before: float | None = None,
) -> None:
    """Log one warning where the test accuracy ended at chance, or far below what it was.

    Args:
        training: What ended, as the message begins.
        after: Test accuracy at the end, in [0, 1].
        test: The test images. Chance is what always naming their most frequent class is worth, and their number says
            how much an accuracy scatters.
        remedy: What to try, as the message ends.
        before: Test accuracy before, or None where it was not measured.
    """
    counts, num_images = class_counts(test), len(test)
    chance = 1 / test.num_classes if counts is None else float(counts.max() / counts.sum())
    # A network that guesses is as often above chance as below; two standard errors are what luck adds.
    is_lost = after <= chance + 2 * math.sqrt(chance * (1 - chance) / num_images)
    known = chance if before is None else before
    # Three standard errors of a difference; on a few test images little can be said.
    scatter = 3 * math.sqrt(2 * known * (1 - known) / num_images)
    is_worse = before is not None and after < before - max(_SMALLEST_LOSS, scatter)
    if is_lost or is_worse:
        earlier = "" if before is None else f" and {100 * before:.1f} % were right before"
        logger.warning(
            "%s ended with %.1f %% of the test images right, where chance is %.1f %%%s; %s.",
            training,
            100 * after,
            100 * chance,
            earlier,
            in_words_of_the_caller(remedy),
        )
