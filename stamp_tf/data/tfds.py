"""Data sets of TensorFlow Datasets, by name. TensorFlow is loaded only once a prepared set is read."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.duplicates import warn_of_shared_arrays
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.streaming import StreamedSet
from stamp_tf.data.tfds_records import Records, quiet
from stamp_tf.data.unknown import unknown_dataset
from stamp_tf.errors import StampError
from stamp_tf.without_tensorflow import is_installed

logger = logging.getLogger(__name__)

# name, name/config, name:version, name/config:version
SPEC = re.compile(r"[A-Za-z]\w*(/[\w.+-]+)?(:\d[\w.*]*)?")

# Sets whose classes are glyphs: their mirror images are other glyphs, or none.
GLYPHS = frozenset(
    {
        "binary_alpha_digits",
        "cmaterdb",
        "emnist",
        "kmnist",
        "mnist",
        "mnist_corrupted",
        "omniglot",
        "svhn_cropped",
        "visual_domain_decathlon/gtsrb",
        "visual_domain_decathlon/omniglot",
        "visual_domain_decathlon/svhn",
    }
)


def tfds(spec: str, options: LoadOptions) -> DataSet:
    """Load a set of TensorFlow Datasets that has one image and one class label per example.

    `test` is the test part, else `validation`, else about a fifth is split off `train` by the content of its records.

    Args:
        spec: `name`, `name/config` or `name:version`.
        options: How to load; `data_dir` is where prepared sets lie.

    Returns:
        The data set; a part larger than `options.stream_above` bytes is streamed.

    Raises:
        StampError: If there is no such set, it is not prepared and must not be downloaded, or it is not made
            of labelled images.
    """
    if not spec:
        raise StampError("`dataset` tfds must name a set, but names none; write for example tfds:cifar10.")
    where = f"`dataset` {spec}"
    if not is_installed("tensorflow_datasets"):
        raise StampError(
            f"{where} must be digits, folder:PATH or npz:PATH where TensorFlow Datasets, which would know it, is not "
            "installed; check the name, or install it with pip install tensorflow tensorflow-datasets."
        )
    builder = _builder(spec, where, options)
    image_key, label_key = _keys(builder, where)
    _prepare(builder, where, options)
    train_split, test_split = _splits(builder, where)
    height, width, depth = builder.info.features[image_key].shape
    if options.image_shape is None and None in (height, width):
        raise StampError(
            f"{where} must be brought to one size, but holds images of several; give image_shape."
        )
    image_shape = options.image_shape or (height, width, 1 if depth == 1 else 3)
    class_names = tuple(builder.info.features[label_key].names)
    flips = not shows_glyphs(spec)

    records = Records(builder, image_key, label_key)

    def loaded(split: str, only: Mapping[str, int] | None = None) -> ImageSet | StreamedSet:
        part = StreamedSet(
            origin=where,
            examples=records.examples(split, only),
            num_images=builder.info.splits[split].num_examples if only is None else len(only),
            image_shape=image_shape,
            class_names=class_names,
            skip_corrupt=options.skip_corrupt,
            class_counts=None if only is None else np.bincount([*only.values()], minlength=len(class_names)),
            listing=f"{builder.info.full_name} {split}",
        )
        return part if part.num_bytes > options.stream_above else part.in_memory()

    if test_split is None:
        train, test = records.split_by_content(spec, train_split, class_names)
        held_out = loaded(train_split, test)
        return DataSet(spec, loaded(train_split, train), held_out, flips=flips, test_by_content=True)
    logger.info("%s: '%s' is for training, '%s' for testing.", spec, train_split, test_split)
    dataset = DataSet(spec, loaded(train_split), loaded(test_split), flips=flips)
    warn_of_shared_arrays(dataset)
    return dataset


def tfds_names() -> tuple[str, ...]:
    """List the sets that the installed TensorFlow Datasets knows, without a network."""
    import tensorflow_datasets

    return tuple(tensorflow_datasets.list_builders(with_community_datasets=False))


def knows(spec: str) -> bool:
    """Return whether TensorFlow Datasets is installed and lists a set; one of somebody's own it finds by its files.

    Args:
        spec: `name`, `name/config` or `name:version`.
    """
    base = spec.partition(":")[0].partition("/")[0]
    return is_installed("tensorflow_datasets") and SPEC.fullmatch(spec) is not None and base in tfds_names()


def shows_glyphs(spec: str) -> bool:
    """Tell whether a set is made of digits, letters or signs, which must not be mirrored.

    Args:
        spec: `name`, `name/config` or `name:version`.
    """
    with_config = spec.partition(":")[0]
    return not GLYPHS.isdisjoint({with_config, with_config.partition("/")[0]})


def _builder(spec: str, where: str, options: LoadOptions) -> Any:
    """Find the set; never by the network."""
    import tensorflow_datasets

    if not SPEC.fullmatch(spec):
        raise unknown_dataset(spec, downloadable=tfds_names())
    try:
        with quiet():
            return tensorflow_datasets.builder(spec, data_dir=options.data_dir)
    except tensorflow_datasets.core.DatasetNotFoundError:
        raise unknown_dataset(spec, downloadable=tfds_names()) from None
    # Each of the several hundred sets has its own way to refuse a version or a configuration, or to miss a
    # package.
    except Exception as error:
        raise StampError(
            f"{where} must be a set that TensorFlow Datasets can build, but it answers '{_one_line(error)}'; "
            "check name, configuration and version."
        ) from error


def _prepare(builder: Any, where: str, options: LoadOptions) -> None:
    """Make sure that the set lies on this machine."""
    with quiet():
        if builder.is_prepared():
            return
    data_dir = builder.data_dir_root
    if not options.download:
        raise StampError(
            f"{where} must be prepared before use, but is not in {data_dir}; add `load:download=True` to fetch it, or "
            "name the folder that has it with `load:data_dir=...`."
        )
    logger.info("Downloading and preparing %s in %s.", builder.info.full_name, data_dir)
    try:
        builder.download_and_prepare()
    # Network, disk, checksums, missing manual downloads: all end the same way for the user.
    except Exception as error:
        raise StampError(
            f"{where} must be fetched with `load:download=True`, but that failed: {_one_line(error)}; check network, "
            f"disk space and the permissions of {data_dir}, or prepare it elsewhere and give `load:data_dir=...`."
        ) from error


def _keys(builder: Any, where: str) -> tuple[str, str]:
    """Return the names of the image and of the label among the features."""
    import tensorflow_datasets

    with quiet():
        features = builder.info.features
    keys = builder.info.supervised_keys or ("image", "label")
    if (
        len(keys) == 2
        and isinstance(features, tensorflow_datasets.features.FeaturesDict)
        and set(keys) <= set(features)
        and type(features[keys[0]]) is tensorflow_datasets.features.Image
        and features[keys[0]].np_dtype == np.uint8
        and isinstance(features[keys[1]], tensorflow_datasets.features.ClassLabel)
        and features[keys[1]].num_classes is not None
    ):
        return keys[0], keys[1]
    raise StampError(
        f"{where} must have one 8-bit image and one class label per example, but has "
        f"{', '.join(features) if hasattr(features, 'keys') else type(features).__name__}; choose an image "
        "classification set."
    )


def _splits(builder: Any, where: str) -> tuple[str, str | None]:
    """Return the split to train on and the one to test on, if any."""
    splits = list(builder.info.splits)
    if "train" not in splits:
        raise StampError(f"{where} must have a train split, but has {', '.join(splits)}; choose another set.")
    return "train", next((name for name in ("test", "validation") if name in splits), None)


def _one_line(error: Exception) -> str:
    """Return an error's message as one line of bearable length."""
    # TFDS wraps what happened in a sentence about its own arguments, and adds a list of all it knows.
    text = re.sub(r"^Failed to construct dataset .*?\}\": ", "", str(error)).strip()
    text = text.partition("\n")[0].partition(" Here are ")[0]
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."
