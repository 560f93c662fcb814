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
from stamp_tf.testing.exporter import PROPERTIES, content, toy_network, write

GROUP = "stamp_tf.exporters"
# Endings that a format insists on.
SUFFIXES = {
    "keras": ".keras",
    "litert": ".tflite",
    "litert-dynamic": ".tflite",
    "litert-int8": ".tflite",
    "onnx": ".onnx",
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


def probabilities_of_litert(path: Path, pixels: np.ndarray) -> np.ndarray:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    run = interpreter.get_signature_runner()
    return run(image=pixels.astype(run.get_input_details()["image"]["dtype"]))["probabilities"]


def probabilities_of_onnx(path: Path, pixels: np.ndarray) -> np.ndarray:
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    return session.run(["probabilities"], {"image": pixels.astype("float32")})[0]


def probabilities_of_openvino(path: Path, pixels: np.ndarray) -> np.ndarray:
    openvino = pytest.importorskip("openvino")
    exactly = {"INFERENCE_PRECISION_HINT": "f32"}
    network = openvino.Core().compile_model(path / "network.xml", "CPU", exactly)
    return network(pixels.astype("float32"))["probabilities"]


# How to get logits or probabilities out of what was written. A third party's format is read by its own tests.
READERS: dict[str, Callable[[Path, np.ndarray], np.ndarray]] = {
    "saved-model": logits_of_saved_model,
    "keras": logits_of_keras_file,
    "litert": probabilities_of_litert,
    "litert-dynamic": probabilities_of_litert,
    "litert-int8": probabilities_of_litert,
    "onnx": probabilities_of_onnx,
    "openvino": probabilities_of_openvino,
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
