"""Whole models in HDF5 files, as Keras 2 saved them."""

import json
import logging
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.references.find import find_reference
from stamp_tf.references.network_file import load_network_file

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def network(*middle: keras.Layer) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(image)
    for layer in middle:
        x = layer(x)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, name="depthwise")(x))
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def changed(path: Path, layer: str, **options: object) -> Path:
    """Give a layer in a file further options, as Keras 2 wrote them."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for each in config["config"]["layers"]:
            if each["config"]["name"] == layer:
                each["config"].update(options)
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_a_whole_model_computes_what_it_did(tmp_path: Path, suffix: str) -> None:
    model = network()
    model.compile("sgd", "mse")
    model.save(tmp_path / f"old{suffix}")
    loaded = load_network_file(tmp_path / f"old{suffix}")
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    assert not loaded.compiled


def test_it_is_a_reference(tmp_path: Path) -> None:
    network().save(tmp_path / "old.h5")
    reference = find_reference(tmp_path / "old.h5", backbone="vgg19", pixels="0:1")
    assert (reference.backbone.num_classes, reference.pixels.scale) == (3, "0:1")


def test_options_that_keras_has_no_more_are_left_out_with_a_word(tmp_path: Path, caplog) -> None:
    model = network()
    model.save(tmp_path / "old.h5")
    changed(tmp_path / "old.h5", "depthwise", groups=1)
    with caplog.at_level(logging.INFO):
        loaded = load_network_file(tmp_path / "old.h5")
    assert "Left the option groups of 1 DepthwiseConv2D out of" in caplog.text
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    with h5py.File(tmp_path / "old.h5") as file:
        assert "groups" in file.attrs["model_config"]


def test_what_such_an_option_asks_for_is_not_lost_in_silence(tmp_path: Path) -> None:
    network().save(tmp_path / "old.h5")
    with pytest.raises(StampError, match=r"DepthwiseConv2D there has groups=4, which it has no more; build"):
        load_network_file(changed(tmp_path / "old.h5", "depthwise", groups=4))


def test_weights_alone_are_refused_with_the_way_out(tmp_path: Path) -> None:
    model = network()
    model.save_weights(tmp_path / "mine.weights.h5")
    words = (
        r"holds weights alone; build the network, model.load_weights\('mine.weights.h5'\), and save it with"
    )
    with pytest.raises(StampError, match=words):
        load_network_file(tmp_path / "mine.weights.h5")
    (tmp_path / "mine.weights.h5").rename(tmp_path / "renamed.h5")
    with pytest.raises(StampError, match=r"renamed.h5 holds weights alone"):
        load_network_file(tmp_path / "renamed.h5")


def test_what_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.h5").write_bytes(b"some text")
    with pytest.raises(
        StampError, match=r"must be an HDF5 file of a model, but .*no.h5 cannot be read as one"
    ):
        load_network_file(tmp_path / "no.h5")


def test_code_in_the_file_is_not_run(tmp_path: Path) -> None:
    network(layers.Lambda(lambda x: x, name="code")).save(tmp_path / "code.h5")
    with pytest.raises(
        StampError, match=r"must load without running code out of the file, but holds a Lambda"
    ):
        load_network_file(tmp_path / "code.h5")


def test_layers_that_nobody_knows_are_named(tmp_path: Path) -> None:
    network(layers.Activation("relu", name="odd")).save(tmp_path / "odd.h5")
    with h5py.File(tmp_path / "odd.h5", "r+") as file:
        text = file.attrs["model_config"].replace('"class_name": "Activation"', '"class_name": "Crosswise"')
        file.attrs["model_config"] = text
    with pytest.raises(StampError, match=r"must hold classes that Keras knows, but needs Crosswise"):
        load_network_file(tmp_path / "odd.h5")


def test_the_config_may_be_anything(tmp_path: Path) -> None:
    network().save(tmp_path / "odd.h5")
    for text in ("[]", "7", '{"class_name": 3}', "{"):
        with h5py.File(tmp_path / "odd.h5", "r+") as file:
            file.attrs["model_config"] = text
        with pytest.raises(StampError):
            load_network_file(tmp_path / "odd.h5")
