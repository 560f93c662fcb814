"""Formats and their extras: what is missing is said first, and what is asked for is given."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_registry
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruned_runs.exports import check_exports, places_of, write_exports
from stamp_tf.pruning.choose import check_compression
from stamp_tf.storage.run_directory import RunDirectory

ASKING = """
import numpy as np


def export(model, path, *, class_names, normalization, images):
    with path.open("wb") as file:
        np.save(file, images)
    return path


def older(model, path, *, class_names, normalization, input_name="image"):
    path.write_text("weights")
    return path
"""


@pytest.mark.parametrize(("name", "module"), [("onnx", "tf2onnx"), ("openvino", "openvino")])
def test_a_missing_extra_is_named_before_any_work(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path)
    target = stamp_registry.find("stamp_tf.exporters", name).module
    monkeypatch.delitem(sys.modules, target, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(stamp_registry.MissingExtra, match=rf"needs {module}, .* 'stamp-tf\[{name}\]'\.$"):
        check_exports(run, places_of(run, [name]))


def test_the_missing_extra_of_a_compression_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    assert places_of(run, ["litert-int8+qat"])["model_int8_qat.tflite"] == "litert-int8+qat"
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    words = r"^--compress qat needs tensorflow_model_optimization, which .*; pip install 'stamp-tf\[tfmot\]', in an "
    with pytest.raises(StampError, match=words):
        check_exports(run, places_of(run, ["litert-int8+qat"]))


def test_a_compression_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with pytest.raises(
        StampError, match=r"but got 'qta'; write one of them behind the plus\. Did you mean 'qat'\?$"
    ):
        check_exports(run, places_of(run, ["litert-int8+qta"]))


def test_single_weights_are_not_compressed(tmp_path: Path, residual_network: keras.Model) -> None:
    run = RunDirectory(tmp_path)
    run.weights.touch()
    with pytest.raises(
        StampError, match=r"^--compress qat trains all weights, but .* has a mask of single ones; "
    ):
        write_exports(
            residual_network,
            run,
            {"model.tflite": "litert-int8+qat"},
            class_names=("a", "b", "c"),
            normalization=Normalization((0.5,) * 3, (0.25,) * 3),
            images=lambda: np.zeros((1, 8, 8, 3), "uint8"),
            compress=lambda kind: residual_network,
        )
    with pytest.raises(StampError, match=r"^--compress qat trains all weights, but --method snip removes"):
        check_compression([PruneConfig(method="snip", keep_params=0.5)], "qat")


def test_images_go_to_the_exporter_that_asks_for_them(
    make_plugin, tmp_path: Path, residual_network: keras.Model
) -> None:
    lines = ["asking = asking:export", "older = asking:older"]
    make_plugin("asking", {"stamp_tf.exporters": lines}, ASKING)
    asked = []

    def images() -> np.ndarray:
        asked.append(1)
        return np.full((2, 8, 8, 3), 7, "uint8")

    write_exports(
        residual_network,
        RunDirectory(tmp_path),
        {"first": "older", "images.npy": "asking"},
        class_names=("a", "b", "c"),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
        images=images,
    )
    assert np.load(tmp_path / "images.npy").shape == (2, 8, 8, 3)
    assert (len(asked), (tmp_path / "first").read_text()) == (1, "weights")
