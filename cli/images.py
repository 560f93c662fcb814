"""The images that a command was asked for, and what a run records of them."""

import dataclasses
from typing import TYPE_CHECKING, Any

from stamp_tf.errors import StampError
from stamp_tf.options.data import DatasetOptions

if TYPE_CHECKING:
    from stamp_tf.data import DataSet


def load_images(data: DatasetOptions, image_shape: tuple[int, int, int] | None) -> "DataSet":
    """Load the data set, brought to the size of the network's images.

    Args:
        data: What was asked for.
        image_shape: Height, width and depth; None keeps the set's own.

    Raises:
        StampError: If there is no such set, or it cannot be used as asked.
    """
    from stamp_tf.data import load_dataset

    if data.dataset is None:
        raise StampError("--dataset is needed, because the checkpoint names none; add it.")
    dataset = load_dataset(
        data.dataset,
        image_shape=image_shape,
        data_dir=data.data_dir,
        download=data.download,
        train_size=data.train_size,
        skip_corrupt=data.skip_corrupt,
        seed=data.seed,
    )
    return dataset if data.flip else dataclasses.replace(dataset, flips=False)


def check_is_there(data: DatasetOptions) -> None:
    """Refuse a data set that nobody knows, or a path where nothing lies, before TensorFlow is imported.

    Args:
        data: What was asked for; nothing is fine.

    Raises:
        StampError: As `load_images` would.
    """
    from stamp_tf.data import load

    if data.dataset is not None:
        load.check_is_there(data.dataset, data_dir=data.data_dir)


def images_config(data: DatasetOptions, dataset: "DataSet") -> dict[str, Any]:
    """Return what decides the images, as JSON content for a run's config.json; paths mean the same everywhere.

    Args:
        data: What was asked for.
        dataset: What was loaded.
    """
    from stamp_tf.data.identity import identity_of

    identity = identity_of(dataset)
    origin = {name: identity[name] for name in ("data_dir", "train_size", "skip_corrupt", "seed")}
    return {"dataset": identity["spec"], **origin, "flip": data.flip, "data": identity}
