"""The re-trainable file: plain Keras, loadable in safe mode, trainable."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.export.card import read_card
from stamp_tf.export.keras_file import export_keras
from stamp_tf.export.plain import custom_objects


@keras.saving.register_keras_serializable(package="toy_plugin")
class Doubling(keras.layers.Layer):
    """A layer that plain Keras does not know."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return 2 * x


def test_safe_mode_loads_the_same_plain_model(network, pixels, class_names, tmp_path: Path) -> None:
    network.compile("adam", "mse")
    path = export_keras(network, tmp_path / "model.keras", class_names=class_names, normalization=pixels)
    loaded = keras.saving.load_model(path, safe_mode=True)
    pixels_in = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")
    images = Normalization(pixels.mean, pixels.std)(pixels_in)
    np.testing.assert_allclose(loaded(pixels_in, training=False), network(images, training=False), atol=1e-6)
    assert custom_objects(loaded) == ()
    assert not loaded.compiled


def test_the_loaded_file_trains_on(network, pixels, class_names, tmp_path: Path) -> None:
    path = export_keras(network, tmp_path / "model.keras", class_names=class_names, normalization=pixels)
    loaded = keras.saving.load_model(path)
    loaded.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = loaded.get_layer("conv1").get_weights()[0]
    loaded.fit(np.ones((4, 8, 8, 3), "float32"), np.array([0, 1, 2, 0]), verbose=0)
    assert np.abs(loaded.get_layer("conv1").get_weights()[0] - before).max() > 0


def test_the_card_tells_names_and_normalisation(network, pixels, class_names, tmp_path: Path) -> None:
    path = export_keras(network, tmp_path / "model.keras", class_names=class_names, normalization=pixels)
    card = read_card(path)
    assert (tuple(card["class_names"]), tuple(card["mean"]), tuple(card["std"])) == (
        class_names,
        pixels.mean,
        pixels.std,
    )


def test_a_custom_layer_is_named(pixels, class_names, tmp_path: Path, caplog) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(Doubling()(image))
    model = keras.Model(image, keras.layers.Dense(3)(x))
    export_keras(model, tmp_path / "model.keras", class_names=class_names, normalization=pixels)
    assert any("Doubling" in record.message for record in caplog.records)


def test_a_lambda_counts_as_custom() -> None:
    image = keras.Input((4,))
    assert any(
        "Lambda" in name for name in custom_objects(keras.Model(image, keras.layers.Lambda(abs)(image)))
    )


def test_a_save_that_breaks_leaves_the_old_file(
    network, pixels, class_names, tmp_path: Path, monkeypatch
) -> None:
    path = export_keras(network, tmp_path / "model.keras", class_names=class_names, normalization=pixels)
    before = path.read_bytes()

    def break_midway(self: keras.Model, filepath: Path) -> None:
        Path(filepath).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "save", break_midway)
    with pytest.raises(KeyboardInterrupt):
        export_keras(network, path, class_names=class_names, normalization=pixels)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_the_name_must_end_in_keras(network, pixels, class_names, tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"must end in '\.keras'"):
        export_keras(network, tmp_path / "model.h5", class_names=class_names, normalization=pixels)


def test_a_file_in_the_way_of_the_folder_is_one_line(network, pixels, class_names, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StampError, match=r"Cannot write .*model.keras: "):
        export_keras(
            network, tmp_path / "file" / "model.keras", class_names=class_names, normalization=pixels
        )


def test_the_card_of_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK half an archive")
    with pytest.raises(StampError, match="written by stamp-tf"):
        read_card(tmp_path / "model.keras")


def test_two_exports_of_a_network_are_alike(pixels, class_names, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3), name="image")  # the name that the export's own input takes
    x = keras.layers.GlobalAveragePooling2D(name="pool")(image)
    model = keras.Model(image, keras.layers.Dense(3, name="head")(x))
    configs = []
    for name in ("one.keras", "two.keras"):
        export_keras(model, tmp_path / name, class_names=class_names, normalization=pixels)
        with zipfile.ZipFile(tmp_path / name) as archive:
            configs.append(archive.read("config.json"))
    assert configs[0] == configs[1]
