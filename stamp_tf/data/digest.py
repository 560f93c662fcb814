"""Which images and classes a data set holds, in a few letters, so that a change of them is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stamp_tf.data.class_names import canonical
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.streaming import StreamedSet

# File names may hold bytes that are no text.
_CODING = ("utf-8", "surrogateescape")

# Bytes of a digest: two sets of one digest by chance are out of the question, and it still fits into a line.
_SIZE = 8
# Of pictures that come as bytes, without a listing, so many are read; all of them would be a pass over the set.
_NUM_READ = 256


def digest_of(dataset: DataSet) -> dict[str, str]:
    """Return what changes with the images, their classes or the class names of a data set, whatever their order.

    It is of the images as they were loaded: resized, and of the part that is trained on. Whoever loads the same
    images in the same way gets the same digest. A part in memory is read whole, at about a gigabyte a second; of one
    that is streamed the listing is taken: names, classes and sizes of its files.

    Args:
        dataset: The data set.

    Returns:
        `train`, `test` and `classes`, each 16 hexadecimal digits.
    """
    names = [canonical(name) for name in dataset.class_names]
    classes = hashlib.blake2b("\0".join(sorted(names)).encode(*_CODING), digest_size=_SIZE)
    return {
        "train": _of_part(dataset.train, names),
        "test": _of_part(dataset.test, names),
        "classes": classes.hexdigest(),
    }


def _of_part(part: ImageSet | StreamedSet, names: Sequence[str]) -> str:
    digest = hashlib.blake2b(repr(part.image_shape).encode(), digest_size=_SIZE)
    # A class counts by its name: its label depends on the order in which somebody keeps the classes.
    rank = np.argsort(np.argsort(np.array(names))).astype(np.int32)
    if isinstance(part, ImageSet):
        digest.update(np.ascontiguousarray(part.images).data)
        digest.update(rank[part.labels].data)
        return digest.hexdigest()
    digest.update(f"{part.num_images} {part.listing}".encode(*_CODING))
    if not part.listing:
        for line in _lines(part, rank.tolist()):
            digest.update(line)
    return digest.hexdigest()


def _lines(part: StreamedSet, rank: Sequence[int]) -> Iterator[bytes]:
    """Yield name, class and size of every file, or the first pictures where they come as bytes."""
    for number, example in enumerate(part.examples(None)):
        content = example.content
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        yield f"{example.name}\0{rank[example.label]}\0{size}\n".encode(*_CODING)
        if isinstance(content, bytes):
            yield content
            if number + 1 == _NUM_READ:
                return
