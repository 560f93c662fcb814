"""Parts of a labelled set that are balanced over its classes."""

import logging

import numpy as np

from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)


def balanced_indices(labels: np.ndarray, size: int, *, class_names: tuple[str, ...], seed: int) -> np.ndarray:
    """Choose the same number of images of every class.

    Args:
        labels: int `[n]`, values in [0, number of class names).
        size: Wanted number of images; rounded down to a multiple of the number of classes.
        class_names: One name per class.
        seed: Decides which images. A larger `size` under the same seed contains the smaller one's images.

    Returns:
        Ascending positions, int64 `[num_classes * (size // num_classes)]`.

    Raises:
        StampError: If a class has too few images, or `size` is below one image per class.
    """
    num_classes = len(class_names)
    if size < num_classes:
        raise StampError(
            f"`train_size` must be at least one image for each of the {num_classes} classes, but is {size}; "
            f"give {num_classes} or more."
        )
    per_class = size // num_classes
    counts = np.bincount(labels, minlength=num_classes)
    scarcest = int(counts.argmin())
    if counts[scarcest] < per_class:
        raise StampError(
            f"`train_size` must leave the same number of images in every class, but {size} asks for "
            f"{per_class} and class '{class_names[scarcest]}' has {counts[scarcest]}; give at most "
            f"{counts[scarcest] * num_classes}, or leave it out to use all images."
        )
    if size % num_classes:
        logger.info(
            "Training on %d images instead of %d: %d of each of the %d classes.",
            per_class * num_classes,
            size,
            per_class,
            num_classes,
        )
    chosen = [shuffled_positions(labels, label, seed=seed)[:per_class] for label in range(num_classes)]
    return np.sort(np.concatenate(chosen))


def shuffled_positions(labels: np.ndarray, label: int, *, seed: int) -> np.ndarray:
    """Return the positions of one class in a random order of its own.

    Args:
        labels: int `[n]`.
        label: The class.
        seed: Decides the order.

    Returns:
        int64 `[number of images of that class]`.
    """
    return np.random.default_rng([seed, label]).permutation(np.flatnonzero(labels == label))


def held_out_indices(labels: np.ndarray, *, fraction: float, seed: int) -> np.ndarray:
    """Choose the same fraction of every class to be held out.

    Args:
        labels: int `[n]`.
        fraction: Of each class, in (0, 1); at least one image of a class that has two or more.
        seed: Decides which images.

    Returns:
        Ascending positions of the held-out images, int64.
    """
    chosen = []
    for label in np.unique(labels):
        positions = shuffled_positions(labels, int(label), seed=seed)
        num_held_out = min(max(1, round(fraction * len(positions))), len(positions) - 1)
        chosen.append(positions[:num_held_out])
    return np.sort(np.concatenate(chosen))
