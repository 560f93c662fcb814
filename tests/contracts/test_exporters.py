"""What every exporter must do, run over every registered name."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_registry
from stamp_tf.errors import StampError
from stamp_tf.export import staging
from stamp_tf.export.contract import Exporter
from stamp_tf.serving.load import load_exported
from stamp_tf.serving.runtime import MissingRuntime
from stamp_tf.testing.exporter import PROPERTIES, content, toy_network, write

GROUP = "stamp_tf.exporters"
# Endings that a format insists on.
SUFFIXES = {
    "keras": ".keras",
    "litert": ".tflite",
    "litert-dynamic": ".tflite",
    "litert-int8": ".tflite",
    "onnx": ".onnx",
    "demo": ".html",
}
# What 8 bits leave of a probability.
TOLERANCES = {"litert-int8": 0.03}


def logits_of_saved_model(path: Path, pixels: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    images = tf.constant(pixels, tf.float32)
    return loaded.signatures["serving_default"](image=images)["logits"].numpy()


def logits_of_keras_file(path: Path, pixels: np.ndarray) -> np.ndarray:
    model = keras.saving.load_model(path, safe_mode=True)
    return keras.ops.convert_to_numpy(model(pixels, training=False))


def probabilities(path: Path, pixels: np.ndarray) -> np.ndarray:
    try:
        return load_exported(path)(pixels)
    except MissingRuntime as error:
        pytest.skip(str(error))


# How to get logits or probabilities out of what was written. A third party's format is read by its own tests.
READERS: dict[str, Callable[[Path, np.ndarray], np.ndarray]] = {
    "saved-model": logits_of_saved_model,
    "keras": logits_of_keras_file,
    "litert": probabilities,
    "litert-dynamic": probabilities,
    "litert-int8": probabilities,
    "onnx": probabilities,
    "openvino": probabilities,
    "demo": probabilities,
}


def loaded(name: str) -> Exporter:
    try:
        return stamp_registry.load(GROUP, name)
    except stamp_registry.MissingExtra as error:
        pytest.skip(str(error))


@pytest.fixture(params=stamp_registry.names(GROUP))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
def test_an_exporter(name: str, proven: Callable[..., None]) -> None:
    proven(
        loaded(name),
        suffix=SUFFIXES.get(name, ""),
        read=READERS.get(name),
        tolerance=TOLERANCES.get(name, 1e-5),
    )


def test_every_format_of_a_built_in_is_read(name: str) -> None:
    assert name in READERS or not stamp_registry.is_built_in(GROUP, name)


def test_a_full_disk_leaves_the_earlier_export(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is built beside its place, which the last move alone touches."""
    export = loaded(name)
    target = tmp_path / "new" / f"network{SUFFIXES.get(name, '')}"
    write(export, toy_network(seed=0), target)
    before = content(target.parent)

    def refuse(temporary: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(staging, "put_in_place", refuse)
    with pytest.raises(StampError, match=r"Cannot write .*: No space left") as caught:
        write(export, toy_network(seed=1), target)
    assert "\n" not in str(caught.value)
    assert content(target.parent) == before
