"""Compress the network of a run when a format asks for it, each way once."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, get_args

import keras

from stamp_registry import did_you_mean
from stamp_tf.data import DataSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.options.compression import Compression

_PACKAGES = ("tensorflow_model_optimization", "tf_keras")


class Compressor:
    """Returns the network of a run compressed: `compressor("qat")`.

    Args:
        model: The network, see `stamp_tf.compression.compress.compress`.
        load: Returns the data set whose training images it learns from.
        normalization: Of the images.
        epochs: Passes over them.
        seed: Of their order and augmentation.
    """

    def __init__(
        self,
        model: keras.Model,
        load: Callable[[], DataSet],
        *,
        normalization: Normalization,
        epochs: int,
        seed: int,
    ) -> None:
        self._model = model
        self._load = load
        self._options: dict[str, Any] = {"normalization": normalization, "epochs": epochs, "seed": seed}
        self._found: dict[str, keras.Model] = {}

    def __call__(self, kind: str) -> keras.Model:
        """Return the network after training.

        Args:
            kind: `sparsity`, `clustering` or `qat`.
        """
        if kind not in self._found:
            from stamp_tf.compression.compress import compress

            self._found[kind] = compress(self._model, self._load(), kind, **self._options)
        return self._found[kind]


def check_can_compress(kind: str) -> None:
    """Refuse a compression whose packages are missing, before any work.

    Args:
        kind: How.

    Raises:
        StampError: If they are; it names the extra. Or if there is no such compression.
    """
    if kind not in get_args(Compression):
        known = get_args(Compression)
        raise StampError(
            f"A network is compressed by {' or '.join(known)}, but got '{kind}'; write one of them behind the plus."
            f"{did_you_mean(kind, known)}"
        )
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise StampError(
            f"`compress={kind}` needs {missing[0]}, which is not installed; pip install 'stamp-tf[tfmot]', in an "
            "environment of its own, because it asks for an older absl-py."
        )
