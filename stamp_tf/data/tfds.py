"""Data sets of TensorFlow Datasets, by name. TensorFlow is loaded only once a prepared set is read."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.options import LoadOptions
from stamp_tf.data.split import with_test_split
from stamp_tf.data.streaming import Example, StreamedSet
from stamp_tf.data.unknown import unknown_dataset
from stamp_tf.errors import StampError

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

# Pictures are shuffled while still encoded; so many of them are held for it, besides shuffling the files.
SHUFFLE_BUFFER = 5_000


def tfds(spec: str, options: LoadOptions) -> DataSet:
    """Load a set of TensorFlow Datasets that has one image and one class label per example.

    `test` is the test part, else `validation`, else a fifth is split off `train`.

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
        raise StampError("--dataset tfds must name a set, but names none; write for example tfds:cifar10.")
    where = f"--dataset {spec}"
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

    def stream(split: str) -> StreamedSet:
        examples = _examples(builder, split, image_key=image_key, label_key=label_key)
        num_images = builder.info.splits[split].num_examples
        return StreamedSet(
            where, examples, num_images, image_shape, class_names, skip_corrupt=options.skip_corrupt
        )

    def loaded(part: StreamedSet) -> ImageSet | StreamedSet:
        return part if part.num_bytes > options.stream_above else part.in_memory()

    if test_split is not None:
        return DataSet(spec, loaded(stream(train_split)), loaded(stream(test_split)), flips=flips)
    every = stream(train_split)
    if every.num_bytes <= options.stream_above:
        return with_test_split(spec, every.in_memory(), seed=options.seed, flips=flips)
    # Without reading it all, classes cannot be counted; such a set is large and was shuffled when prepared.
    logger.info("%s has no test split: the last 20 %% of its %d images are held out.", spec, len(every))
    train, test = stream(f"{train_split}[:80%]"), stream(f"{train_split}[80%:]")
    return DataSet(spec, loaded(train), loaded(test), flips=flips)


def tfds_names() -> tuple[str, ...]:
    """List the sets that the installed TensorFlow Datasets knows, without a network."""
    import tensorflow_datasets

    return tuple(tensorflow_datasets.list_builders(with_community_datasets=False))


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
        with _quiet():
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
    with _quiet():
        if builder.is_prepared():
            return
    data_dir = builder.data_dir_root
    if not options.download:
        raise StampError(
            f"{where} must be prepared before use, but is not in {data_dir}; add --download to fetch it, or "
            "name the folder that has it with --data-dir."
        )
    logger.info("Downloading and preparing %s in %s.", builder.info.full_name, data_dir)
    try:
        builder.download_and_prepare()
    # Network, disk, checksums, missing manual downloads: all end the same way for the user.
    except Exception as error:
        raise StampError(
            f"{where} must be fetched with --download, but that failed: {_one_line(error)}; check network, "
            f"disk space and the permissions of {data_dir}, or prepare it elsewhere and give --data-dir."
        ) from error


def _keys(builder: Any, where: str) -> tuple[str, str]:
    """Return the names of the image and of the label among the features."""
    import tensorflow_datasets

    with _quiet():
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


def _examples(builder: Any, split: str, *, image_key: str, label_key: str) -> Any:
    """Return a function that opens a pass over a split, pictures still encoded."""
    import tensorflow_datasets

    def examples(order_seed: Sequence[int] | None) -> Iterator[Example]:
        shuffled = order_seed is not None
        seed = int(np.random.SeedSequence(order_seed).generate_state(1)[0]) if shuffled else None
        with _quiet():
            dataset = builder.as_dataset(
                split=split,
                shuffle_files=shuffled,
                # With a seed TFDS keeps the order of its files deterministic; caching would hold the set in
                # memory.
                read_config=tensorflow_datasets.ReadConfig(shuffle_seed=seed, try_autocache=False),
                decoders=tensorflow_datasets.decode.PartialDecoding(
                    {image_key: True, label_key: True},
                    decoders={image_key: tensorflow_datasets.decode.SkipDecoding()},
                ),
            )
        if shuffled:
            dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=seed)
        for index, example in enumerate(tensorflow_datasets.as_numpy(dataset)):
            label = int(example[label_key])
            if label < 0:
                raise StampError(
                    f"--dataset {builder.name} must have a label for every image, but its split {split} has "
                    "some without; choose another set."
                )
            yield Example(example[image_key], label, f"image {index} of {split}")

    return examples


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's warnings about sets that are not prepared off the terminal: our message says it."""
    absl_logger = logging.getLogger("absl")
    level = absl_logger.level
    absl_logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logger.setLevel(level)


def _one_line(error: Exception) -> str:
    """Return an error's message as one line of bearable length."""
    # TFDS wraps what happened in a sentence about its own arguments, and adds a list of all it knows.
    text = re.sub(r"^Failed to construct dataset .*?\}\": ", "", str(error)).strip()
    text = text.partition("\n")[0].partition(" Here are ")[0]
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."
