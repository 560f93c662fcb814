"""The code that a report shows for each format runs as it stands, where stamp-tf is not installed."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import stamp_registry
import stamp_tf
from stamp_tf.backbones.end import split_end
from stamp_tf.export.calling import calling_of
from stamp_tf.export.contract import call_exporter
from stamp_tf.export.keras_file import export_keras
from stamp_tf.export.saved_model import export_saved_model
from stamp_tf.report.snippets import snippet
from stamp_tf.testing.exporter import CLASS_NAMES, NORMALIZATION, SHAPE, toy_network

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("stamp_tf", "stamp_cli", "stamp_registry"):
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Blocked())
"""
FORMATS = {"saved-model": (export_saved_model, "saved_model"), "keras": (export_keras, "model.keras")}
OTHERS = {
    "litert": "model.tflite",
    "litert-int8": "model_int8.tflite",
    "onnx": "model.onnx",
    "openvino": "openvino",
}


def printed(code: str, folder: Path) -> dict[str, float]:
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED + code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    lines = [line.partition(" %  ") for line in result.stdout.splitlines()]
    return {name: float(share) / 100 for share, _, name in lines}


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(("units", "activation"), [(3, "linear"), (1, "sigmoid")])
def test_a_snippet_runs_without_stamp_tf(
    tmp_path: Path, format_name: str, units: int, activation: str
) -> None:
    toy = toy_network()
    head = keras.layers.Dense(units, activation, name="end")
    model = keras.Model(toy.inputs[0], head(toy.layers[-2].output), name="toy")
    names = CLASS_NAMES if units == 3 else CLASS_NAMES[:2]
    export, path = FORMATS[format_name]
    export(model, tmp_path / path, class_names=names, normalization=NORMALIZATION)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, SHAPE).astype(np.uint8)).save(tmp_path / "picture.png")
    calling = calling_of(SHAPE, names, split_end(model)[1]).to_json()
    code = snippet(calling, format_name=format_name, path=path).replace("picture.jpg", "picture.png")
    found = stamp_tf.predict(tmp_path / path, tmp_path / "picture.png")
    shares = printed(code, tmp_path)
    assert tuple(shares) == names
    np.testing.assert_allclose(list(shares.values()), found.probabilities[0], atol=6e-4)
    assert len(code.splitlines()) <= 12


@pytest.mark.slow
@pytest.mark.parametrize("format_name", OTHERS)
def test_so_does_that_of_another_runtime(tmp_path: Path, format_name: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, *SHAPE)).astype(np.uint8)
    call_exporter(
        stamp_registry.load("stamp_tf.exporters", format_name),
        toy_network(),
        path := tmp_path / OTHERS[format_name],
        class_names=CLASS_NAMES,
        normalization=NORMALIZATION,
        images=lambda: images,
    )
    Image.fromarray(images[0]).save(tmp_path / "picture.png")
    calling = calling_of(SHAPE, CLASS_NAMES, split_end(toy_network())[1]).to_json()
    code = snippet(calling, format_name=format_name, path=path.name).replace("picture.jpg", "picture.png")
    shares = printed(code, tmp_path)
    assert tuple(shares) == CLASS_NAMES
    expected = stamp_tf.predict(path, tmp_path / "picture.png").probabilities[0]
    np.testing.assert_allclose(list(shares.values()), expected, atol=6e-4)
    assert len(code.splitlines()) <= 12


def test_a_format_that_nobody_knows_has_none() -> None:
    assert (
        snippet(
            calling_of(SHAPE, CLASS_NAMES, split_end(toy_network())[1]).to_json(), format_name="x", path="x"
        )
        == ""
    )
