"""Why test images may be among those that trained a network, as far as its record tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stamp_tf.data.dataset import DataSet
from stamp_tf.data.origin import may_share_images

_REMEDY = "name a data set with a test part of images that the network has not seen"


def in_words(dataset: DataSet, reason: str, *, remedy: str) -> str:
    """Return one line.

    Args:
        dataset: Whose test images are in doubt.
        reason: Why.
        remedy: What else to do than to name other data.
    """
    start = f"The accuracy on {dataset.name} may be of images that trained the network"
    return f"{start}: {reason}; {remedy}, or {_REMEDY}."


def doubt_of_lot(subject: str) -> str:
    """Return the reason where a test part was drawn by lot, and the lot is not known any more."""
    return f"{subject} by an older version, which held out other images of a data set without a test part"


def doubt_of_reference(description: Mapping[str, Any], dataset: DataSet) -> str:
    """Say why images that are held out now may have trained a reference; empty where nothing says so.

    References of before a split went by content say of their data what it was called, and no more. Where the data had
    a test part when the reference was trained, all of the rest was trained on.

    Args:
        description: Of the reference.
        dataset: Whose test images are to be taken.
    """
    if not dataset.test_by_content or dataset.origin is None:
        return ""
    for spec, data in _trained_on(description):
        if not may_share_images(dataset.origin.spec, spec):
            continue
        if data is None:
            reason = doubt_of_lot("the reference was trained on it")
        elif not data.get("test_by_content", True):
            reason = "it had a test part when the reference was trained, so that of the other images none was held out"
        else:
            continue
        return in_words(dataset, reason, remedy="train the reference anew")
    return ""


def _trained_on(description: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Yield what a reference was trained on, and the reference before it: each as written, and what is known of it."""
    record: Any = description
    while isinstance(record, Mapping):
        for name, known in (("dataset", "data"), ("meta_dataset", "meta_data")):
            if isinstance(spec := record.get(name), str):
                data = record.get(known)
                yield spec, data if isinstance(data, Mapping) else None
        record = record.get("start")
