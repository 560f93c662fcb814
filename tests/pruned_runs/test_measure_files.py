"""Exported files are measured by what reads them, and what nothing reads is left as it is."""

import logging
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import stamp_tf.pruned_runs.measure_files as measure
from stamp_tf.data import ImageSet
from stamp_tf.export.keras_file import export_keras
from stamp_tf.export.litert import export_litert
from stamp_tf.measure.speed import take_turns
from stamp_tf.measure.timing import Timing
from stamp_tf.pruned_runs.measure_files import measure_files
from stamp_tf.report.report import ExportedFile
from stamp_tf.serving.load import load_exported
from stamp_tf.testing.exporter import CLASS_NAMES, NORMALIZATION, pixels, toy_network

PARTS = {"class_names": CLASS_NAMES, "normalization": NORMALIZATION}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    export_keras(toy_network(), folder / "model.keras", **PARTS)
    export_litert(toy_network(), folder / "model.tflite", **PARTS)
    return folder


@pytest.fixture
def images(folder: Path) -> ImageSet:
    """Four images that the network is right on, and one that it is not."""
    labels = load_exported(folder / "model.keras")(pixels()).argmax(axis=1).astype("int32")
    labels[2] = (labels[2] + 1) % 3
    return ImageSet(pixels(), labels, 3, class_names=CLASS_NAMES)


FILES = tuple(
    ExportedFile(path=path, format=name, num_bytes=1)
    for path, name in (("model.keras", "keras"), ("model.tflite", "litert"), ("model.odd", "odd"))
)


def test_each_file_gets_its_accuracy_and_its_seconds(folder: Path, images: ImageSet) -> None:
    pytest.importorskip("ai_edge_litert")
    keras_file, litert, odd = measure_files(FILES, folder, images=images, speed=True, max_seconds=0.1)
    assert [(file.accuracy, file.test_images) for file in (keras_file, litert)] == [(0.8, 5), (0.8, 5)]
    assert keras_file.latency is not None
    assert litert.latency is not None
    assert odd == FILES[2]


def test_files_of_one_reader_are_timed_beside_each_other_and_nothing_else(
    folder: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    timed = []

    def record(steps: Mapping[str, Callable], *arguments: Any, **options: Any) -> list[Timing]:
        timed.append(sorted(steps))
        return take_turns(steps, *arguments, **options)

    monkeypatch.setattr(measure, "take_turns", record)
    shutil.copy(folder / "model.tflite", folder / "again.tflite")
    again = ExportedFile(path="again.tflite", format="litert-dynamic", num_bytes=1)
    files = measure_files((*FILES, again), folder, images=images, speed=True, max_seconds=0.1)
    assert timed == [["model.keras"], ["again.tflite", "model.tflite"]]
    assert all(file.latency for file in files if file.format != "odd")


def test_without_speed_what_was_tested_is_not_tested_again(folder: Path, images: ImageSet) -> None:
    pytest.importorskip("ai_edge_litert")
    keras_file, litert, _ = measure_files(FILES, folder, images=images, speed=False)
    assert keras_file == FILES[0]
    assert (litert.accuracy, litert.latency) == (0.8, None)


def test_a_missing_runtime_leaves_the_row_and_is_said(
    folder: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ai_edge_litert"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with caplog.at_level(logging.WARNING):
        assert measure_files(FILES, folder, images=images, speed=False) == FILES
    assert "pip install 'stamp-tf[litert]'" in caplog.text
