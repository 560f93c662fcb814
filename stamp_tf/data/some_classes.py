"""Some classes of another data set, as a data set of their own."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np

from stamp_tf.data.class_names import canonical, listed
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.origin import split_classes
from stamp_tf.data.streaming import StreamedSet
from stamp_tf.errors import StampError


def classes(argument: str, options: LoadOptions) -> DataSet:
    """Load the images of some classes, which keep their names and are numbered from 0 in the order given.

    Args:
        argument: `CLASS,CLASS@DATASET`: classes by their names, in quotes where these hold a comma as CSV has them, or
            by their numbers in the data set, and its name.
        options: Passed on.

    Raises:
        StampError: If the data set cannot be loaded, has no such class, or does not fit into memory.
    """
    from stamp_tf.data.load import read_dataset

    wanted, spec = split_classes(f"classes:{argument}")
    where = f"`dataset` classes:{argument}"
    words = _words(wanted.removeprefix("classes:").removesuffix("@"))
    if not spec or len(words) < 2 or not all(words):
        raise StampError(
            f"{where} must name two classes or more and their data set; write one such as "
            "classes:apple,pear@cifar100."
        )
    dataset = read_dataset(spec, options)
    labels = [_label(word, dataset, where) for word in words]
    if len(set(labels)) < len(labels):
        raise StampError(f"{where} must name each class once, but names one twice; leave it out.")
    train, test = (_part(part, labels, where) for part in (dataset.train, dataset.test))
    held_out = dataset.validation
    return dataclasses.replace(
        dataset,
        name=f"classes:{argument}",
        train=train,
        test=test,
        validation=None if held_out is None else _part(held_out, labels, where),
    )


def _words(text: str) -> list[str]:
    """Return what stands between commas; nothing where it is no line of CSV."""
    try:
        return [word.strip() for word in next(csv.reader([text], skipinitialspace=True))]
    except csv.Error:
        return []


def _label(word: str, dataset: DataSet, where: str) -> int:
    names = [canonical(name) for name in dataset.class_names]
    if canonical(word) in names:
        return names.index(canonical(word))
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    raise StampError(
        f"{where} must name classes of {dataset.name} ({listed(names)}), or numbers from 0 to {len(names) - 1}, but "
        f"names '{word}'; write one of them."
    )


def _part(part: ImageSet | StreamedSet, labels: list[int], where: str) -> ImageSet:
    """Return the images of some labels, numbered by their places in the list."""
    if not isinstance(part, ImageSet):
        raise StampError(f"{where} must fit into memory, but is streamed; raise `stream_above`.")
    number = np.full(part.num_classes, -1, "int32")
    number[labels] = np.arange(len(labels))
    chosen = np.flatnonzero(number[part.labels] >= 0)
    if not len(chosen):
        raise StampError(f"{where} must have images of these classes, but has none; name others.")
    return ImageSet(
        part.images[chosen],
        number[part.labels[chosen]],
        len(labels),
        class_names=tuple(part.class_names[label] for label in labels),
    )
