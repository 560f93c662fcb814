"""Networks that somebody else saved: loaded in safe mode, or refused in one line that says what to do."""

import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.references.network_file import load_network_file

LAYERS = """
import keras


@keras.saving.register_keras_serializable(package="odds")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def rule(call):
    call.write(call.channels)
"""


def saved(path: Path, middle: keras.Layer) -> Path:
    """Save a small classifier with a layer in its middle."""
    image = keras.Input((8, 8, 3), name="image")
    x = middle(layers.Conv2D(4, 3, name="conv")(image))
    keras.Model(image, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))).save(path)
    return path


@pytest.fixture
def network() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    return keras.Model(image, layers.Dense(3, name="head")(x))


def test_a_saved_model_computes_what_it_did(network, tmp_path) -> None:
    network.compile("sgd", "mse")
    network.save(tmp_path / "toy.keras")
    images = np.random.default_rng(0).normal(size=(2, *network.inputs[0].shape[1:])).astype("float32")
    loaded = load_network_file(tmp_path / "toy.keras")
    np.testing.assert_array_equal(loaded(images), network(images))
    assert not loaded.compiled


@pytest.mark.filterwarnings("error::UserWarning")
def test_an_input_that_is_alone_in_a_list_is_taken_out_of_it(network, tmp_path) -> None:
    listed = keras.Model([network.inputs[0]], network.output)
    listed.save(tmp_path / "listed.keras")
    images = np.zeros((2, 8, 8, 3), "float32")
    np.testing.assert_array_equal(load_network_file(tmp_path / "listed.keras")(images), network(images))


def test_a_missing_file_and_a_folder_are_refused(tmp_path) -> None:
    with pytest.raises(StampError, match=r"gone.keras is not there; check the path"):
        load_network_file(tmp_path / "gone.keras")
    with pytest.raises(StampError, match=r"is a folder; check the path"):
        load_network_file(tmp_path)


@pytest.mark.parametrize("content", [b"", b"some text", b"PK\x03\x04 and then nothing"])
def test_what_is_no_archive_is_refused(tmp_path, content) -> None:
    (tmp_path / "no.keras").write_bytes(content)
    with pytest.raises(StampError, match=r"must be a .keras file, but .*no.keras cannot be read as one"):
        load_network_file(tmp_path / "no.keras")


def test_an_archive_of_something_else_and_half_a_file_are_refused(network, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(StampError, match=r"cannot be read as one"):
        load_network_file(tmp_path / "other.keras")
    network.save(tmp_path / "half.keras")
    whole = (tmp_path / "half.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StampError, match=r"cannot be read as one"):
        load_network_file(tmp_path / "half.keras")


def test_weights_that_do_not_fit_are_refused_in_one_line(network, tmp_path) -> None:
    network.save(tmp_path / "toy.keras")
    with zipfile.ZipFile(tmp_path / "toy.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.weights.h5"] = b"nothing"
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(
        StampError, match=r"must be a model that this version of Keras loads, but gave '[^\n]+'"
    ):
        load_network_file(tmp_path / "bad.keras")


def test_a_class_that_is_not_registered_is_named(tmp_path) -> None:
    class Halve(layers.Layer):
        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return inputs / 2

    path = saved(tmp_path / "custom.keras", Halve())
    with pytest.raises(StampError, match=r"needs [\w.]*Halve; decorate .*register_keras_serializable"):
        load_network_file(path)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    "middle", [layers.Lambda(lambda x: 2 * x), layers.Conv2D(4, 1, activation=lambda x: 2 * x)]
)
def test_a_lambda_is_not_run(tmp_path, middle) -> None:
    with pytest.raises(StampError, match=r"without running code out of the file, but holds a Lambda"):
        load_network_file(saved(tmp_path / "lambda.keras", middle))


def test_a_model_that_is_not_functional_is_refused(tmp_path) -> None:
    @keras.saving.register_keras_serializable(package="test_network_file")
    class Subclassed(keras.Model):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            self.head = layers.Dense(3)

        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return self.head(inputs)

    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    model.save(tmp_path / "subclassed.keras")
    with pytest.raises(StampError, match=r"must be a functional Keras model, but got Subclassed"):
        load_network_file(tmp_path / "subclassed.keras")


def test_layers_of_an_installed_package_are_found(make_plugin, tmp_path) -> None:
    make_plugin("odds", {"stamp_tf.channel_rules": ["odds.Twice = odds:rule"]}, LAYERS)
    import odds  # type: ignore[import-not-found]

    path = saved(tmp_path / "odds.keras", odds.Twice())
    # As in a process that has not imported the package.
    keras.saving.get_custom_objects().pop("odds>Twice")
    del sys.modules["odds"]
    assert load_network_file(path).layers[2].name.startswith("twice")


def test_layers_of_a_package_without_entry_points_are_asked_for(make_plugin, tmp_path) -> None:
    make_plugin("loose", {}, LAYERS.replace('"odds"', '"loose"'))
    import loose  # type: ignore[import-not-found]

    path = saved(tmp_path / "loose.keras", loose.Twice())
    keras.saving.get_custom_objects().pop("loose>Twice")
    with pytest.raises(StampError, match=r"needs loose.Twice; .* an entry point in stamp_tf.channel_rules"):
        load_network_file(path)
