"""A whole model in an HDF5 file, as Keras 2 saved it: its configuration, without options that Keras 3 has no more."""

from __future__ import annotations

import inspect
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras

from stamp_tf.channels.configuration import objects_within
from stamp_tf.errors import StampError
from stamp_tf.storage.records import decode

logger = logging.getLogger(__name__)

SUFFIXES = (".h5", ".hdf5")
"""Of such files."""

_WEIGHTS = ".weights.h5"
_CONFIG = "model_config"
# An option of such a value asks for nothing.
_NOTHING: tuple[Any, ...] = (None, False, 0, 1, "", [], {})
# What Keras itself takes out of an old description of a layer before it makes one.
_OF_ANY_LAYER = (
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "input_dim",
    "input_length",
    "sparse",
    "ragged",
)


def check_whole(path: Path) -> None:
    """Refuse a file of weights alone.

    Args:
        path: The file.

    Raises:
        StampError: If its name says that it is one.
    """
    if path.name.endswith(_WEIGHTS):
        raise _weights_alone(path)


def read_legacy_config(path: Path) -> Any:
    """Return the description of the model in a file.

    Args:
        path: The file.

    Raises:
        StampError: If it holds none.
    """
    check_whole(path)
    remedy = "save it anew with model.save('model.keras')"
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(_CONFIG)
    except (OSError, RuntimeError, ValueError, KeyError):
        raise StampError(
            f"A network must be an HDF5 file of a model, but {path} cannot be read as one; {remedy}."
        ) from None
    if text is None:
        raise _weights_alone(path)
    data = text if isinstance(text, bytes) else str(text).encode()
    return decode(data, object, source=f"{path}, {_CONFIG},", remedy=remedy, writer="Keras")


def unknown_layers(config: Any) -> list[str]:
    """Return the classes of layers that neither Keras nor a registered package has.

    Args:
        config: What `read_legacy_config` returned.
    """
    models = ("Functional", "Model", "Sequential")
    # Keras 3 says of each object which module it is of, and Keras 2 of none.
    named = {node["class_name"] for node in _layers_within(config) if not node.get("module")}
    return sorted(
        name
        for name in named - {*models}
        if not hasattr(keras.layers, name) and keras.saving.get_registered_object(name) is None
    )


@contextmanager
def readable(path: Path, config: Any) -> Iterator[Path]:
    """Hold a file that Keras 3 reads: the file itself, or a copy without options that only Keras 2 had.

    Args:
        path: The file.
        config: What `read_legacy_config` returned; it is changed.

    Raises:
        StampError: If such an option asks for something that would be lost.
    """
    if not _drop_unknown(path, config):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"model{path.suffix}"
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            del file.attrs[_CONFIG]
            file.attrs[_CONFIG] = json.dumps(config)
        yield copy


def _drop_unknown(path: Path, config: Any) -> bool:
    """Take options out of a description that layers of today do not have; return whether there were any."""
    dropped: dict[tuple[str, str], int] = {}
    for node in _layers_within(config):
        kind = getattr(keras.layers, node["class_name"], None)
        options = node["config"]
        for name in [each for each in options if kind is not None and each not in _known(kind)]:
            if options[name] not in _NOTHING:
                raise StampError(
                    f"{path} must hold layers that Keras 3 has, but {node['class_name']} there has {name}="
                    f"{options[name]!r}, which it has no more; build the network anew, and load its weights."
                )
            del options[name]
            dropped[node["class_name"], name] = dropped.get((node["class_name"], name), 0) + 1
    for (kind_name, name), times in dropped.items():
        logger.info(
            "Left the option %s of %d %s out of %s: Keras 3 has it no more, and it asked for nothing.",
            *(name, times, kind_name, path),
        )
    return bool(dropped)


def _layers_within(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the descriptions of layers, those within wrappers and models, too."""
    for node in objects_within(config):
        options = node.get("config")
        if isinstance(options, dict) and "name" in options:
            yield node


def _known(kind: type) -> set[str]:
    """Return the options that a class takes, its bases' included."""
    names = {*_OF_ANY_LAYER, "name", "layers", "build_input_shape"}
    for each in kind.__mro__:
        if "__init__" in vars(each):
            names |= set(inspect.signature(vars(each)["__init__"]).parameters)
    return names


def _weights_alone(path: Path) -> StampError:
    return StampError(
        f"A network must be a whole model, but {path} holds weights alone; build the network, model.load_weights("
        f"{path.name!r}), and save it with model.save('model.keras')."
    )
