"""Networks of runs from before the file took pixels as they are: their card has no scaling, and they load."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.ends import LOGITS
from stamp_tf.export.pruned_run import load_run
from stamp_tf.meta.own_file import reference_of_file


def test_a_file_of_normalised_images_is_read_as_one(tmp_path: Path, network: keras.Model) -> None:
    card = {"class_names": ["a", "b", "c"], "input_name": "image", "mean": [0.4] * 3, "std": [0.2] * 3}
    network.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras", "a") as archive:
        archive.writestr("input_and_classes.json", json.dumps(card))
    config = {"command": "prune", "dataset": "digits", "seed": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    run = load_run(tmp_path)
    assert (run.normalization, run.end) == (Normalization((0.4,) * 3, (0.2,) * 3), LOGITS)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_array_equal(run.model(images), network(images))
    assert reference_of_file(tmp_path / "model.keras").normalization == run.normalization
