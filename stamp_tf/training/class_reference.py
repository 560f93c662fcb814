"""What a reference network's channels do on the classes of its own data set."""

from __future__ import annotations

import numpy as np

from stamp_tf.data import ImageSet, StreamedSet, balanced_part
from stamp_tf.references.reference import Reference

_SET_SIZE = 2000
_BATCH_SIZE = 500


def excite_classes(reference: Reference, part: ImageSet) -> np.ndarray:
    """Return the spatial mean of every channel on every image, `[B, C]`.

    Args:
        reference: The network.
        part: B images of its data set.
    """
    images = reference.normalization(part.images)
    starts = range(0, len(images), _BATCH_SIZE)
    return np.concatenate(
        [np.asarray(reference.excite(images[start : start + _BATCH_SIZE])) for start in starts]
    )


def learn_reference(reference: Reference, images: ImageSet | StreamedSet, *, seed: int) -> None:
    """Let a mask generator that compares classes know those of the reference data set; else do nothing.

    Args:
        reference: Its mask generator learns.
        images: Training images of the reference data set.
        seed: Decides which of them are looked at.
    """
    if reference.mask_generator is None or not reference.needs_classes:
        return
    part = balanced_part(images, _SET_SIZE, seed=seed)
    classes = np.eye(part.num_classes, dtype="float32")[part.labels]
    reference.mask_generator.learn_reference(excite_classes(reference, part), classes)
