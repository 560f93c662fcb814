"""What a run remembers of its data: how to load it again from any folder, and whether it is still the same."""

from __future__ import annotations

from typing import Any

from stamp_tf.data.dataset import DataSet
from stamp_tf.data.digest import digest_of


def identity_of(dataset: DataSet) -> dict[str, Any]:
    """Return what loads a set again from any folder, and what tells whether it is still the same.

    Args:
        dataset: The data set.

    Returns:
        JSON content: `name`, the fields of `Origin` (for a set made in Python `spec` alone, which is null),
        `train_images`, `test_images`, `test_by_content` and `digest`.
    """
    return {
        "name": dataset.name,
        **({"spec": None} if dataset.origin is None else dataset.origin.to_config()),
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
        "test_by_content": dataset.test_by_content,
        "digest": digest_of(dataset),
    }


def describe(dataset: DataSet) -> dict[str, Any]:
    """Return what tells one form of a set from another, as JSON content for a run's config.json.

    Args:
        dataset: The data set.
    """
    return {
        "dataset": dataset.name if dataset.origin is None else dataset.origin.spec,
        "train_images": len(dataset.train),
        "image_shape": list(dataset.image_shape),
        "flip": dataset.flips,
        "data": identity_of(dataset),
    }
