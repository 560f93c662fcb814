"""How similar two tasks are: by the classes that they share, by parents of these, or by what a network sees in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from stamp_tf.channels.graph import maker
from stamp_tf.data import Batches, DataSet, Normalization, random_part
from stamp_tf.data.class_names import canonical

_BATCH_SIZE = 500
_IMAGES_PER_CLASS = 32


def shared_classes(first: Iterable[str], second: Iterable[str]) -> int:
    """Return how many names of classes two tasks have in common.

    Args:
        first: Names of one.
        second: Names of the other.
    """
    return len({canonical(name) for name in first} & {canonical(name) for name in second})


def shared_parents(first: Iterable[str], second: Iterable[str], parents: Mapping[str, object]) -> int:
    """Return how many parent classes two tasks have in common.

    Args:
        first: Classes of one.
        second: Classes of the other.
        parents: Class -> its parent, of all of them.
    """
    return len({parents[name] for name in first} & {parents[name] for name in second})


def prototype_similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return how near the nearest classes of another task are: their cosine, in [-1, 1], on average.

    Args:
        first: A prototype for each class of the task in question, `[classes, F]`.
        second: Those of the other, `[its classes, F]`.
    """
    lengths = [np.linalg.norm(values, axis=1, keepdims=True) for values in (first, second)]
    one, other = (
        values / np.maximum(length, 1e-12) for values, length in zip((first, second), lengths, strict=True)
    )
    return float((one @ other.T).max(axis=1).mean())


def prototypes_of(model: keras.Model, dataset: DataSet, *, normalization: Normalization) -> np.ndarray:
    """Return the mean of what the last layer reads, for each class that has images, `[classes, F]`.

    Args:
        model: The network, as it was before anything was trained on a target.
        dataset: The target; some 32 training images of a class are seen.
        normalization: Of its images.

    Source:
        Snell, Swersky & Zemel 2017, Prototypical Networks for Few-shot Learning.
    """
    part = random_part(dataset.train, _IMAGES_PER_CLASS * dataset.num_classes, seed=0)
    extractor = keras.Model(model.input, maker(model.outputs[0]).input)
    batches = Batches(part, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    features = np.concatenate([extractor.predict_on_batch(x) for x, _ in batches.epoch(0)])
    features = features.reshape(len(features), -1, features.shape[-1]).mean(axis=1)
    return np.stack([features[part.labels == label].mean(axis=0) for label in np.unique(part.labels)])
