"""A cache of Keras of one's own, and a network of keras.applications that is built at once."""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from keras import layers

from stamp_tf.references.pretrained.weight_files import weight_file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, which Keras and we look into."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    (tmp_path / "home/models").mkdir(parents=True)
    return tmp_path / "home/models"


def tiny(*, weights=None, input_shape=None, is_flat: bool = False) -> keras.Model:
    """A MobileNetV2, as far as its name goes."""
    if weights == "imagenet":
        raise OSError("URL fetch failure: no such host")
    if input_shape is not None and input_shape[0] < 8:
        raise ValueError("Input size must be at least 8x8.")
    image = keras.Input(input_shape or (24, 24, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="stem")(image)
    x = layers.Conv2D(8, 3, activation="relu", name="body")(x)
    x = layers.Flatten()(x) if is_flat else layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(1000, activation="softmax", name="predictions")(x), name="tiny")


@pytest.fixture
def publish(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., keras.Model]:
    """Let MobileNetV2 be a toy, and put weights of it into the cache."""

    def published(*, is_flat: bool = False) -> keras.Model:
        def application(**options) -> keras.Model:
            return tiny(is_flat=is_flat, **options)

        application.__module__ = keras.applications.MobileNetV2.__module__
        monkeypatch.setattr(keras.applications, "MobileNetV2", application)
        keras.utils.set_random_seed(1)
        model = application()
        save_weights(model, weight_file("MobileNetV2"))
        return model

    return published


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What Keras asks its cache for, as (file, folder); it gets nothing."""
    found: list[tuple[str, str]] = []

    def get_file(fname: str, origin: str, cache_subdir: str = "", **_) -> str:
        found.append((fname, cache_subdir))
        raise FileNotFoundError(fname)

    monkeypatch.setattr(sys.modules["keras.src.utils.file_utils"], "get_file", get_file)
    return found


@pytest.mark.filterwarnings("ignore")
def save_weights(model: keras.Model, path: Path) -> None:
    """Save a model as those of keras.applications are."""
    model.save(path)
