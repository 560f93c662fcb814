"""Parts of a labelled set that are balanced over its classes."""

import logging

import numpy as np

from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)


def balanced_indices(labels: np.ndarray, size: int, *, class_names: tuple[str, ...], seed: int) -> np.ndarray:
    """Choose the same number of images of every class, or all of a class that has fewer.

    Args:
        labels: int `[n]`, values in [0, number of class names).
        size: Wanted number of images; what cannot be shared out evenly is left.
        class_names: One name per class.
        seed: Decides which images. A larger `size` under the same seed contains the smaller one's images.

    Returns:
        Ascending positions, int64 `[at most size]`.

    Raises:
        StampError: If there are fewer images than that, or `size` is below one image per class.
    """
    num_classes = len(class_names)
    if size < num_classes:
        raise StampError(
            f"`train_size` must be at least one image for each of the {num_classes} classes, but is {size}; "
            f"give {num_classes} or more."
        )
    if size > len(labels):
        raise StampError(
            f"`train_size` must be at most the number of training images, {len(labels)}, but is {size}; give fewer, or "
            "leave it out to use all images."
        )
    counts = np.bincount(labels, minlength=num_classes)
    per_class = _largest_share(counts, size)
    scarce, num_chosen = np.flatnonzero(counts < per_class), int(np.minimum(counts, per_class).sum())
    if len(scarce):
        scarcest = int(counts.argmin())
        logger.info(
            "Training on %d images: %d of each of the %d classes, and all of %s.",
            num_chosen,
            per_class,
            num_classes - len(scarce),
            f"'{class_names[scarcest]}', which has {counts[scarcest]}"
            if len(scarce) == 1
            else f"the {len(scarce)} that have fewer, such as '{class_names[scarcest]}' with {counts[scarcest]}",
        )
    elif num_chosen < size:
        logger.info(
            "Training on %d images instead of %d: %d of each of the %d classes.",
            num_chosen,
            size,
            per_class,
            num_classes,
        )
    chosen = [shuffled_positions(labels, label, seed=seed)[:per_class] for label in range(num_classes)]
    return np.sort(np.concatenate(chosen))


def _largest_share(counts: np.ndarray, size: int) -> int:
    """Return the most images of every class, or all of one that has fewer, that come to no more than `size`."""
    share = rest = 0
    left = np.sort(counts)
    for place, count in enumerate(left):
        # Classes before this one give all that they have.
        share = (size - rest) // (len(left) - place)
        if count >= share:
            break
        rest += int(count)
    return share


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
