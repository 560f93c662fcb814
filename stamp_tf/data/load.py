"""From the name that a user gives to a data set."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import stamp_registry
from stamp_tf.arguments import as_path, check_arguments, check_text
from stamp_tf.data.class_counts import describe_classes, warn_of_dark_images
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.origin import Origin, absolute_path, absolute_spec
from stamp_tf.data.resize import check_image_shape, fit_images
from stamp_tf.data.streaming import StreamedSet
from stamp_tf.data.tfds import knows, tfds
from stamp_tf.data.unknown import GROUP
from stamp_tf.errors import StampError
from stamp_tf.plugin_code import PluginCode, in_words
from stamp_tf.seeds import check_seed

logger = logging.getLogger(__name__)


def load_dataset(
    spec: str,
    *,
    image_shape: tuple[int, int, int] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    train_size: int | None = None,
    skip_corrupt: bool = False,
    seed: int = 0,
    stream_above: int = LoadOptions.stream_above,
) -> DataSet:
    """Load a data set by name.

    Args:
        spec: `digits`, `folder:PATH`, `npz:PATH`, the name of a TensorFlow Datasets set such as `cifar10`,
            `classes:CLASS,CLASS@DATASET` for some classes of a set, or `NAME` or `NAME:ARGUMENT` of a plug-in.
        image_shape: Height, width and depth to resize to; None keeps the set's own.
        data_dir: Where TensorFlow Datasets keeps its prepared sets; None is its default.
        download: Whether a set may be fetched over the network.
        train_size: Train on a balanced part of so many images, or all of a class that has fewer; None takes all.
        skip_corrupt: Leave out images that cannot be read instead of refusing the set.
        seed: Decides the balanced part. A test split that the set does not bring goes by content, so that an
            image is on the same side whatever the seed.
        stream_above: Stream a part of the set that is larger than this many bytes in memory.

    Returns:
        The data set. Its `train` and `test` are in memory, with arrays `images` and `labels`, or streamed when larger
        than `stream_above`.

    Raises:
        StampError: If there is no such set, or it cannot be used as asked.
    """
    _check_name(spec)
    check_arguments(
        image_shape=(image_shape, tuple[int, ...] | None),
        download=(download, bool),
        train_size=(train_size, int | None),
        skip_corrupt=(skip_corrupt, bool),
        seed=(seed, int),
        stream_above=(stream_above, int),
    )
    check_seed(seed)
    if stream_above < 0:
        raise StampError(
            f"stream_above must be 0 or more, but is {stream_above}; 0 streams every set that can be."
        )
    if image_shape is not None:
        check_image_shape(image_shape)
    options = LoadOptions(
        image_shape=image_shape,
        data_dir=None if data_dir is None else _expanded(data_dir),
        download=download,
        skip_corrupt=skip_corrupt,
        seed=seed,
        stream_above=stream_above,
    )
    dataset = read_dataset(spec, options)
    train = dataset.train if train_size is None else dataset.train.subset(train_size, seed=seed)
    absolute, path = absolute_spec(spec, dataset.path)
    origin = Origin(
        spec=absolute,
        path=path,
        data_dir=None if data_dir is None else absolute_path(data_dir),
        train_size=train_size,
        skip_corrupt=skip_corrupt,
        seed=seed,
    )
    dataset = dataclasses.replace(
        dataset,
        train=_fitted(train, image_shape),
        test=_fitted(dataset.test, image_shape),
        path=path,
        origin=origin,
    )
    logger.info("%s", describe_classes(dataset))
    warn_of_dark_images(dataset)
    return dataset


def read_dataset(spec: str, options: LoadOptions) -> DataSet:
    """Return what the plug-in of a name loads, in the set's own size.

    Args:
        spec: As in `load_dataset`.
        options: What the plug-in is told.

    Raises:
        StampError: If there is no such set, or it cannot be used as asked.
    """
    plugin, source, argument = _source(spec)
    with plugin.running():
        try:
            dataset = source(argument, options)
        except StampError as error:
            if stamp_registry.is_built_in(plugin.group, plugin.name) or not str(error).strip():
                raise
            # It may be what the user gave or what the plug-in made of it: the line says whose words these are.
            raise StampError(f"{plugin}: {error}") from error
    if not isinstance(dataset, DataSet):
        raise plugin.breach("return a stamp_tf.data.DataSet", in_words(dataset))
    return dataset


def check_is_there(spec: str, *, data_dir: str | os.PathLike[str] | None = None) -> None:
    """Refuse a name that nobody knows, and a path where nothing lies, before anything heavy is imported.

    Args:
        spec: As in `load_dataset`.
        data_dir: As in `load_dataset`.

    Raises:
        StampError: As `load_dataset` would.
    """
    from stamp_registry import names

    name, _, argument = spec.partition(":")
    is_missing = name in ("folder", "npz") and not os.path.exists(os.path.expanduser(argument))
    is_tfds = name == "tfds" or name not in names(GROUP)
    if is_missing or (is_tfds and not knows(argument if name == "tfds" else spec)):
        # It says why. Sets that were prepared in a folder of somebody's own are found there.
        load_dataset(spec, data_dir=data_dir)


def as_dataset(dataset: object, *, image_shape: tuple[int, int, int] | None = None, seed: int = 0) -> DataSet:
    """Return a data set, loading it where one is named.

    Args:
        dataset: A data set, or its name as in `load_dataset`.
        image_shape: Height, width and depth to resize a named one to.
        seed: As in `load_dataset`.

    Raises:
        StampError: If there is no such set, or it cannot be used.
    """
    if isinstance(dataset, str):
        return load_dataset(dataset, image_shape=image_shape, seed=seed)
    if isinstance(dataset, DataSet):
        return dataset
    check_dataset_type(dataset)
    return cast("DataSet", dataset)


def check_dataset_type(dataset: object) -> None:
    """Refuse what is neither a data set nor the name of one.

    Args:
        dataset: What was given.

    Raises:
        StampError: If it is of another type.
    """
    if isinstance(dataset, str | DataSet):
        return
    kind = "npz" if str(dataset).endswith(".npz") else "folder"
    remedy = (
        f"write {f'{kind}:{dataset}'!r}"
        if isinstance(dataset, os.PathLike)
        else "write 'npz:FILE' for arrays"
    )
    raise StampError(
        "`dataset` must be a name such as 'cifar10' or 'folder:photos', or a stamp_tf.data.DataSet, but is of type "
        f"{type(dataset).__name__}; {remedy}."
    )


def _check_name(spec: object) -> None:
    """Refuse the name of a file or set that no file system takes; what follows a plug-in's name may be anything."""
    if not isinstance(spec, str):
        raise StampError(
            f"`spec` must be the name of a data set, but is of type {type(spec).__name__}; write for example "
            "'digits' or 'folder:photos'."
        )
    name, _, argument = spec.partition(":")
    if name in ("folder", "npz"):
        check_text(argument, f"`dataset` {name}")
    elif not argument:
        check_text(spec, "`dataset`")


def _expanded(data_dir: str | os.PathLike[str]) -> Path:
    try:
        return as_path(data_dir, "`data_dir`").expanduser()
    except RuntimeError as error:
        raise StampError(
            f"`data_dir` must be a folder, but {data_dir}: {error} Write the whole path."
        ) from None


def _fitted(part: ImageSet | StreamedSet, image_shape: tuple[int, int, int] | None) -> ImageSet | StreamedSet:
    """Resize a part in memory; a streamed one resizes as it reads."""
    if image_shape is None or part.image_shape == image_shape or not isinstance(part, ImageSet):
        return part
    return dataclasses.replace(part, images=fit_images(part.images, image_shape))


def _source(spec: str) -> tuple[PluginCode, Callable[[str, LoadOptions], DataSet], str]:
    """Return which plug-in loads, its function and what to hand it."""
    from stamp_registry import RegistryError, load, names

    name, _, argument = spec.partition(":")
    if name in names(GROUP):
        try:
            source = cast("Callable[[str, LoadOptions], DataSet]", load(GROUP, name))
        except RegistryError as error:
            raise StampError(f"`dataset` {spec} cannot be loaded: {error}") from error
        return PluginCode(GROUP, name), source, argument
    # Whatever is not registered is left to TensorFlow Datasets, which says so if it does not know it either.
    return PluginCode(GROUP, "tfds"), tfds, spec
