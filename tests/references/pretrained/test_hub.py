"""Image classifiers of KerasHub, from folders that need no network."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.errors import StampError

keras_hub = pytest.importorskip("keras_hub")
pytestmark = pytest.mark.filterwarnings("ignore")
PRESET = "resnet_18_imagenet"


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    """A small ResNet of KerasHub that divides its pixels by their deviations."""
    keras.utils.set_random_seed(0)
    options = {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [3],
        "stackwise_num_filters": [64],
        "stackwise_num_blocks": [1],
        "stackwise_num_strides": [1],
        "block_type": "basic_block",
    }
    backbone = keras_hub.models.ResNetBackbone(**options)
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(24, 24), scale=[0.017, 0.0175, 0.0174], offset=[-2.1, -2.0, -1.8]
    )
    preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(image_converter=converter)
    return keras_hub.models.ResNetImageClassifier(backbone, num_classes=5, preprocessor=preprocessor)


@pytest.fixture(scope="module")
def folder(classifier: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That network, saved as a preset."""
    folder = tmp_path_factory.mktemp("hub") / "preset"
    classifier.save_to_preset(str(folder))
    return folder


def test_it_computes_what_its_preprocessor_and_it_do(classifier: keras.Model, folder: Path) -> None:
    model = stamp_tf.load_network(f"hub:{folder}")
    assert model.input_shape == (None, 24, 24, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3)).astype("float32")
    expected = classifier(classifier.preprocessor(images))
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-4)


def test_it_is_built_for_the_size_asked_for_and_can_be_pruned(folder: Path) -> None:
    model = stamp_tf.load_network(f"hub:{folder}", image_shape=(32, 40, 3))
    assert model.input_shape == (None, 32, 40, 3)
    assert stamp_tf.trace_channels(model).num_channels > 0


def test_what_lies_in_the_cache_is_found_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    handle = keras_hub.models.ImageClassifier.presets[PRESET]["kaggle_handle"].removeprefix("kaggle://")
    place = tmp_path / "models" / handle
    with pytest.raises(
        StampError, match=rf"needs its weights, but model.weights.h5 is not in {place}; add --download"
    ):
        stamp_tf.load_network(f"hub:{PRESET}")
    place.parent.mkdir(parents=True)
    place.symlink_to(folder)
    assert stamp_tf.load_network(f"hub:{PRESET}").output_shape == (None, 5)


def test_a_fetch_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))

    def from_preset(preset: str, **_: object) -> None:
        raise ConnectionError(f"no such host for {preset}")

    monkeypatch.setattr(keras_hub.models.ImageClassifier, "from_preset", from_preset)
    with pytest.raises(StampError, match=r"KerasHub says 'no such host for resnet_18_imagenet'"):
        stamp_tf.load_network(f"hub:{PRESET}", download=True)


def test_a_preset_that_is_none_gets_the_nearest() -> None:
    with pytest.raises(
        StampError, match=r"a folder of one, but is neither.*Did you mean 'resnet_18_imagenet'"
    ):
        stamp_tf.load_network("hub:resnet_18_imagnet")


def test_without_keras_hub_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "keras_hub" else find_spec(name)
    )
    with pytest.raises(
        StampError, match=r"needs KerasHub, but it is not installed; pip install 'stamp-tf\[hub\]'"
    ):
        stamp_tf.load_network("hub:anything")
