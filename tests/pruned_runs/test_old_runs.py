"""Runs of older versions: their networks load, and what they do not say of their data is not made up."""

import dataclasses
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.data import DataSet, Normalization
from stamp_tf.data.identity import identity_of
from stamp_tf.ends import LOGITS
from stamp_tf.export.keras_file import export_keras
from stamp_tf.pruned_runs.pruned_run import load_run
from stamp_tf.references.own_file import reference_of_file


def test_a_file_of_normalised_images_is_read_as_one(tmp_path: Path, residual_network: keras.Model) -> None:
    card = {"class_names": ["a", "b", "c"], "input_name": "image", "mean": [0.4] * 3, "std": [0.2] * 3}
    residual_network.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras", "a") as archive:
        archive.writestr("input_and_classes.json", json.dumps(card))
    config = {"command": "prune", "dataset": "digits", "seed": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    run = load_run(tmp_path)
    assert (run.normalization, run.end) == (Normalization((0.4,) * 3, (0.2,) * 3), LOGITS)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(run.model(images), residual_network(images))
    assert reference_of_file(tmp_path / "model.keras").normalization == run.normalization


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An .npz file without test images."""
    rng = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    labels = np.arange(60) % 3
    np.savez(path, x_train=rng.integers(0, 256, (60, 8, 8, 3), np.uint8), y_train=labels)
    return path


def made_run(folder: Path, residual_network: keras.Model, **config: Any) -> Path:
    """Write what evaluation needs of a run."""
    folder.mkdir()
    normalization = Normalization((0.4,) * 3, (0.2,) * 3)
    export_keras(
        residual_network, folder / "model.keras", class_names=["0", "1", "2"], normalization=normalization
    )
    (folder / "config.json").write_text(json.dumps({"command": "prune", "seed": 3, **config}))
    return folder


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about images that trained the residual_network."""
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    return [line for line in lines if "that trained the network" in line]


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_split_that_an_older_version_drew_by_lot_is_warned_of(
    tmp_path: Path,
    residual_network: keras.Model,
    images: Path,
    caplog: pytest.LogCaptureFixture,
    is_named: bool,
    is_loaded: bool,
) -> None:
    run = made_run(tmp_path / "run", residual_network, dataset=f"npz:{images}")
    dataset: DataSet | str | None = f"npz:{images}" if is_named or is_loaded else None
    stamp_tf.evaluate(run, stamp_tf.load_dataset(f"npz:{images}") if is_loaded else dataset)
    (line,) = warnings_of(caplog)
    assert "older version" in line
    assert "prune again" in line
    assert "\n" not in line


def test_images_of_a_test_part_are_not_warned_of(
    tmp_path: Path, residual_network: keras.Model, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with np.load(images) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    np.savez(images, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    stamp_tf.evaluate(made_run(tmp_path / "run", residual_network, dataset=f"npz:{images}"))
    assert not warnings_of(caplog)


@pytest.mark.parametrize("had_test_part", [False, True])
def test_images_of_a_training_part_are_warned_of_where_all_of_it_was_trained_on(
    tmp_path: Path,
    residual_network: keras.Model,
    images: Path,
    caplog: pytest.LogCaptureFixture,
    had_test_part: bool,
) -> None:
    dataset = stamp_tf.load_dataset(f"npz:{images}")
    data = identity_of(dataclasses.replace(dataset, test_by_content=not had_test_part))
    stamp_tf.evaluate(made_run(tmp_path / "run", residual_network, dataset=f"npz:{images}", data=data))
    assert len(warnings_of(caplog)) == had_test_part


def test_a_test_part_that_was_made_later_is_warned_of(
    tmp_path: Path, residual_network: keras.Model, images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = identity_of(stamp_tf.load_dataset(f"npz:{images}"))
    run = made_run(tmp_path / "run", residual_network, dataset=f"npz:{images}", data=data)
    with np.load(images) as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    np.savez(images, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    stamp_tf.evaluate(run)
    (line,) = warnings_of(caplog)
    assert "its test images are others than" in line
    assert "it has other training images (52 then, 30 now)" in caplog.text
