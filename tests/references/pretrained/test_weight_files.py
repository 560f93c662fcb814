"""The files of weights: what Keras itself asks for, and where it would look."""

import inspect
from pathlib import Path

import keras
import pytest

from stamp_tf.references.pretrained.weight_files import NAMES, weight_file


def test_every_classifier_of_keras_applications_has_a_file() -> None:
    functions = [
        name for name in dir(keras.applications) if inspect.isfunction(getattr(keras.applications, name))
    ]
    assert sorted(NAMES) == sorted(functions)


# The smallest of each family: to build all of them takes minutes.
ONE_OF_EACH = [
    *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3", "MobileNet"),
    *("MobileNetV2", "MobileNetV3Small", "ResNet50", "ResNet50V2", "VGG16", "Xception"),
]


def asks(name: str, asked: list[tuple[str, str]], **options) -> tuple[str, str]:
    """What Keras asks for when it builds a network, whose weights take no memory."""
    with keras.StatelessScope(), pytest.raises(FileNotFoundError):
        getattr(keras.applications, name)(weights="imagenet", **options)
    return asked[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_keras_asks_for_that_file(name: str, asked: list[tuple[str, str]]) -> None:
    file = weight_file(name)
    assert asks(name, asked) == (file.name, file.parent.name)


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV2"])
def test_some_have_a_file_for_each_size(name: str, asked: list[tuple[str, str]]) -> None:
    shape = (160, 160, 3)
    assert asks(name, asked, input_shape=shape)[0] == weight_file(name, shape).name
    assert weight_file(name, (100, 100, 3)) == weight_file(name, (160, 128, 3)) == weight_file(name)


def test_others_have_one_for_all_sizes() -> None:
    assert weight_file("ResNet50", (64, 64, 3)) == weight_file("ResNet50")


def test_the_cache_is_where_keras_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert weight_file("VGG16").parent == tmp_path / "models"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weight_file("VGG16").parent == tmp_path / ".keras/models"
