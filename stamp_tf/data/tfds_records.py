"""Passes over the records of a prepared set of TensorFlow Datasets, pictures still encoded. Loads TensorFlow."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import numpy as np

from stamp_tf.data.content import encoded_key
from stamp_tf.data.decode_ahead import Example
from stamp_tf.data.split import split_by_content
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError

# Pictures are shuffled while still encoded; so many of them are held for it, besides shuffling the files.
SHUFFLE_BUFFER = 5_000


class Records:
    """The labelled pictures of a set.

    Args:
        builder: Of a prepared set.
        image_key: Name of the picture among the features.
        label_key: Name of the label.
    """

    def __init__(self, builder: Any, image_key: str, label_key: str) -> None:
        self.builder = builder
        self.image_key = image_key
        self.label_key = label_key

    def examples(
        self, split: str, only: Container[str] | None = None
    ) -> Callable[[Sequence[int] | None], Iterator[Example]]:
        """Return a function that opens a pass over a split, see `StreamedSet`.

        Args:
            split: Its name.
            only: Identifiers of the records that are wanted; None wants all.
        """

        def examples(order_seed: Sequence[int] | None) -> Iterator[Example]:
            return (
                example for name, example in self._pass(split, order_seed) if only is None or name in only
            )

        return examples

    def split_by_content(
        self, name: str, split: str, class_names: tuple[str, ...]
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Split the records by their content in one pass; of JPEG and WebP not a pixel is decoded.

        Args:
            name: Of the data set.
            split: Name of the split that is to be divided.
            class_names: One name per class.

        Returns:
            Identifiers and labels of the records to train on, and of those to test on.

        Raises:
            StampError: If a class has no two different images.
        """
        names, labels, keys = [], [], []
        for identifier, example in self._pass(split, None):
            names.append(identifier)
            labels.append(example.label)
            keys.append(_key(example))
        parts = split_by_content(
            name, np.array(keys, np.uint64), labels=np.array(labels), class_names=class_names
        )
        train, test = ({names[position]: labels[position] for position in part} for part in parts)
        return train, test

    def _pass(self, split: str, order_seed: Sequence[int] | None) -> Iterator[tuple[str, Example]]:
        """Yield every record with its identifier."""
        import tensorflow_datasets

        shuffled = order_seed is not None
        seed = int(np.random.SeedSequence(order_seed).generate_state(1)[0]) if shuffled else None
        with quiet():
            dataset = self.builder.as_dataset(
                split=split,
                shuffle_files=shuffled,
                # With a seed TFDS keeps the order of its files deterministic; caching would hold the set in
                # memory.
                read_config=tensorflow_datasets.ReadConfig(
                    shuffle_seed=seed, try_autocache=False, add_tfds_id=True
                ),
                decoders=tensorflow_datasets.decode.PartialDecoding(
                    {self.image_key: True, self.label_key: True},
                    decoders={self.image_key: tensorflow_datasets.decode.SkipDecoding()},
                ),
            )
        if shuffled:
            dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=seed)
        for index, record in enumerate(tensorflow_datasets.as_numpy(dataset)):
            label = int(record[self.label_key])
            if label < 0:
                raise StampError(
                    f"`dataset` {self.builder.name} must have a label for every image, but its split {split} has "
                    "some without; choose another set."
                )
            identifier = record["tfds_id"].decode()
            yield identifier, Example(record[self.image_key], label, f"image {index} of {split}")


def _key(example: Example) -> int:
    """Return the number of a record's content; a damaged one has a side as well, and is refused where it is used."""
    try:
        return encoded_key(example.content)
    except UnreadableImage:
        return 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's warnings about sets that are not prepared off the terminal: our message says it."""
    absl_logger = logging.getLogger("absl")
    level = absl_logger.level
    absl_logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logger.setLevel(level)
