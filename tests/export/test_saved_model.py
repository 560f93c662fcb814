"""The SavedModel: alone in a fresh process it gives the model's own logits."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.errors import StampError
from stamp_tf.export.saved_model import export_saved_model

READER = """
import sys
for name in ("stamp_tf", "stamp_cli", "stamp_registry"):
    sys.modules[name] = None  # importing any of them raises
import numpy as np
import tensorflow as tf
folder, images, answer = sys.argv[1:]
loaded = tf.saved_model.load(folder)
serve = loaded.signatures["serving_default"]
images = np.load(images)
one, three = serve(image=tf.constant(images[:1])), serve(image=tf.constant(images))
np.savez(answer, one=one["logits"], three=three["logits"], probabilities=three["probabilities"],
         names=loaded.class_names().numpy().astype("S"))
"""


def test_another_process_without_stamp_tf_reads_logits_and_names(
    network, pixels, class_names, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("float32")
    folder = export_saved_model(
        network, tmp_path / "saved_model", class_names=class_names, normalization=pixels
    )
    np.save(tmp_path / "images.npy", images)
    paths = [str(folder), str(tmp_path / "images.npy"), str(tmp_path / "answer.npz")]
    subprocess.run([sys.executable, "-I", "-c", READER, *paths], check=True, cwd=tmp_path)
    normal = (images / 255 - np.float32(pixels.mean)) / np.float32(pixels.std)
    logits = keras.ops.convert_to_numpy(network(normal, training=False))
    with np.load(tmp_path / "answer.npz") as answer:
        np.testing.assert_allclose(answer["one"], logits[:1], atol=1e-5)
        np.testing.assert_allclose(answer["three"], logits, atol=1e-5)
        np.testing.assert_allclose(answer["probabilities"].sum(axis=-1), 1, atol=1e-5)
        assert tuple(name.decode() for name in answer["names"]) == class_names
    assert json.loads((folder / "assets.extra" / "class_names.json").read_text("utf-8")) == list(class_names)


def test_mixed_precision_is_exported_in_float32(pixels, class_names, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16")(image)
    x = keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(x)
    mixed = keras.Model(image, keras.layers.Dense(3, dtype="float32")(x))
    folder = export_saved_model(
        mixed, tmp_path / "saved_model", class_names=class_names, normalization=pixels
    )
    loaded = tf.saved_model.load(str(folder))
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    body = [node for function in graph.library.function for node in function.node_def]
    assert not [
        node.name for node in body if tf.bfloat16.as_datatype_enum in (a.type for a in node.attr.values())
    ]


def test_an_earlier_saved_model_is_replaced(network, pixels, class_names, tmp_path: Path) -> None:
    for bias in (0.0, 7.0):
        network.get_layer("head").bias.assign([bias] * 3)
        export_saved_model(network, tmp_path / "out", class_names=class_names, normalization=pixels)
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    logits = loaded.signatures["serving_default"](image=tf.zeros((1, 8, 8, 3)))["logits"]
    normal = -np.float32(pixels.mean) / np.float32(pixels.std) * np.ones((1, 8, 8, 3), np.float32)
    np.testing.assert_allclose(logits, network(normal, training=False), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_breaks_leaves_the_old_one(
    network, pixels, class_names, tmp_path: Path, monkeypatch
) -> None:
    folder = export_saved_model(network, tmp_path / "out", class_names=class_names, normalization=pixels)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def break_midway(module: tf.Module, path: str, signatures: dict) -> None:
        Path(path).mkdir()
        (Path(path) / "saved_model.pb").write_bytes(b"half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", break_midway)
    with pytest.raises(StampError, match="out: No space left on device; free some space"):
        export_saved_model(network, folder, class_names=class_names, normalization=pixels)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_never_removed(network, pixels, class_names, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StampError, match="holds something else"):
        export_saved_model(network, tmp_path, class_names=class_names, normalization=pixels)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_class_names_must_match_the_logits(network, pixels, tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"one name per class \(3\), but has 2"):
        export_saved_model(network, tmp_path / "out", class_names=("a", "b"), normalization=pixels)
    assert not list(tmp_path.iterdir())
