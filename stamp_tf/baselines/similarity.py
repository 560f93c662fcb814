"""How similar two tasks are: by the classes that they share, by parents of these, or by what a network sees in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from stamp_tf.data.class_names import canonical


def shared_classes(first: Iterable[str], second: Iterable[str]) -> int:
    """Return how many names of classes two tasks have in common.

    Args:
        first: Names of one.
        second: Names of the other.
    """
    return len({canonical(name) for name in first} & {canonical(name) for name in second})


def shared_parents(first: Iterable[Any], second: Iterable[Any], parents: Mapping[Any, object]) -> int:
    """Return how many parent classes two tasks have in common.

    Args:
        first: Classes of one, by names or by numbers.
        second: Classes of the other, likewise.
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
