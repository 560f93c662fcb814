"""What every source of a data set must do."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from stamp_tf.data import DataSet, load_dataset
from stamp_tf.testing.require import require, require_close, require_equal, require_refused, try_all


def check_dataset(spec: str, *, data_dir: Path | None = None) -> None:
    """Hold a data set to its contract. The package that declares it must be installed.

    Args:
        spec: What a user writes, `NAME` or `NAME:ARGUMENT`: two classes at least, two training images of each.
        data_dir: Where prepared sets lie.

    Raises:
        AssertionError: If it breaks a rule; the message says which.

    Example:
        >>> check_dataset("stripes:20")
    """
    try_all(PROPERTIES, spec, data_dir=data_dir)


def has_images_to_learn_from_and_others_to_be_judged_on(spec: str, *, data_dir: Path | None = None) -> None:
    """Both parts hold every class."""
    dataset = load_dataset(spec, data_dir=data_dir)
    train, test = dataset.train, dataset.test
    require_equal(test.class_names, train.class_names, "Both parts must have the same classes")
    require_equal(test.image_shape, train.image_shape, "Both parts must have images of one shape")
    require(
        dataset.num_classes > 1, "A data set must have two classes at least", f"has {dataset.num_classes}"
    )
    for part in (train, test):
        counts = np.bincount(read_all(part)[1], minlength=dataset.num_classes)
        require(
            (counts > 0).all(), "Both parts must hold every class", f"have {counts.tolist()} images of them"
        )


def has_bytes_for_images_and_small_integers_for_labels(spec: str, *, data_dir: Path | None = None) -> None:
    """Normalising is the caller's work."""
    for part in _parts(load_dataset(spec, data_dir=data_dir)):
        images, labels = read_all(part)
        rule = "Images must be uint8 and labels int32"
        require_equal((str(images.dtype), str(labels.dtype)), ("uint8", "int32"), rule)
        require_equal(images.shape, (len(part), *part.image_shape), "A part must hold what it counts")
        require(images.max() > images.min(), "Images must differ from one grey", "all pixels are alike")


def comes_in_the_shape_that_is_asked_for(spec: str, *, data_dir: Path | None = None) -> None:
    """In memory and streamed, in colour and in grey."""
    for shape in ((12, 10, 3), (16, 16, 1)):
        for stream_above in (0, 2**31):
            dataset = load_dataset(spec, data_dir=data_dir, image_shape=shape, stream_above=stream_above)
            rule = f"Images must come in the shape that is asked for, {list(shape)}"
            require_equal(dataset.image_shape, shape, rule)
            for part in _parts(dataset):
                images, labels = read_all(part)
                require_equal((images.shape[1:], str(images.dtype)), (shape, "uint8"), rule)
                require_equal(len(images), len(part), "A part must hold what it counts")
                require_equal(len(labels), len(part), "Each image must have a label")


def is_held_out_alike_each_time(spec: str, *, data_dir: Path | None = None) -> None:
    """An image that trained a network must not test it later."""
    first, second = (load_dataset(spec, data_dir=data_dir, seed=3) for _ in range(2))
    for one, other in zip(_parts(first), _parts(second), strict=True):
        for ours, theirs in zip(read_all(one), read_all(other), strict=True):
            require_close(ours, theirs, "A data set must be the same each time that it is loaded")


def gives_a_balanced_part(spec: str, *, data_dir: Path | None = None) -> None:
    """`train_size` takes as many images of each class."""
    num_classes = load_dataset(spec, data_dir=data_dir).num_classes
    train = load_dataset(spec, data_dir=data_dir, train_size=2 * num_classes).train
    counts = np.bincount(read_all(train)[1], minlength=num_classes).tolist()
    require_equal(counts, [2] * num_classes, "A part of it must be balanced")


def refuses_a_wrong_argument_in_one_line(spec: str, *, data_dir: Path | None = None) -> None:
    """The message names what was given, and nothing is written."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = f"{spec.partition(':')[0]}:{folder}/no such thing"
        rule = "A wrong argument must be refused by a StampError of one line"
        require_refused(lambda: load_dataset(wrong, data_dir=folder), rule, words="no such thing")
        left = [path.name for path in Path(folder).iterdir()]
        require(not left, "A refused data set must write nothing", f"wrote {left}")


def read_all(part: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return every image and label of a part, in memory or streamed.

    Args:
        part: `train` or `test` of a data set.
    """
    batches = list(part.raw_batches(7, order_seed=None, drop_remainder=False))
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return images, labels


def _parts(dataset: DataSet) -> tuple[Any, Any]:
    return dataset.train, dataset.test


PROPERTIES = (
    has_images_to_learn_from_and_others_to_be_judged_on,
    has_bytes_for_images_and_small_integers_for_labels,
    comes_in_the_shape_that_is_asked_for,
    is_held_out_alike_each_time,
    gives_a_balanced_part,
    refuses_a_wrong_argument_in_one_line,
)
