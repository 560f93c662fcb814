"""What every exporter must do, run over every registered name."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_registry
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.export import staging
from stamp_tf.export.contract import Exporter

GROUP = "stamp_tf.exporters"
SHAPE = (8, 8, 3)
CLASS_NAMES = ("cat", "straße", "dog, wet")
NORMALIZATION = Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
# Endings that a format insists on.
SUFFIXES = {"keras": ".keras"}


@pytest.fixture(params=stamp_registry.names(GROUP))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def export(name: str) -> Exporter:
    return stamp_registry.load(GROUP, name)


@pytest.fixture
def target(name: str, tmp_path: Path) -> Path:
    """Where to write, in a folder that is not there yet."""
    return tmp_path / "new" / f"network{SUFFIXES.get(name, '')}"


def network(seed: int = 0) -> keras.Model:
    """Build a convolution, a normalisation with moved statistics, dropout and three logits."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE, name="pixels")
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(moving_mean_initializer="ones", name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.ReLU(name="relu")(x))
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="toy")


def write(export: Exporter, model: keras.Model, path: Path) -> Path:
    return export(model, path, class_names=CLASS_NAMES, normalization=NORMALIZATION)


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype("uint8")


def expected_logits(model: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(NORMALIZATION(pictures()), training=False))


def logits_of_saved_model(path: Path) -> np.ndarray:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    pixels = tf.constant(pictures(), tf.float32)
    return loaded.signatures["serving_default"](image=pixels)["logits"].numpy()


def logits_of_keras_file(path: Path) -> np.ndarray:
    model = keras.saving.load_model(path, safe_mode=True)
    return keras.ops.convert_to_numpy(model(pictures(), training=False))


# How to get logits out of what was written. A third party's format is read by its own tests.
READERS: dict[str, Callable[[Path], np.ndarray]] = {
    "saved-model": logits_of_saved_model,
    "keras": logits_of_keras_file,
}


@pytest.fixture
def read(name: str) -> Callable[[Path], np.ndarray]:
    if name not in READERS:
        pytest.skip(f"nobody here reads the format of {name}")
    return READERS[name]


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_where_it_is_told_and_leaves_nothing_else(export: Exporter, target: Path) -> None:
    assert write(export, network(), target) == target
    assert target.exists()
    assert list(target.parent.iterdir()) == [target]


def test_what_is_loaded_agrees_with_the_model(
    export: Exporter, target: Path, read: Callable[[Path], np.ndarray]
) -> None:
    model = network()
    np.testing.assert_allclose(read(write(export, model, target)), expected_logits(model), atol=1e-5)


def test_an_earlier_export_is_replaced(
    export: Exporter, target: Path, read: Callable[[Path], np.ndarray]
) -> None:
    first, second = network(seed=0), network(seed=1)
    write(export, first, target)
    write(export, second, target)
    assert np.abs(expected_logits(first) - expected_logits(second)).max() > 1e-2
    np.testing.assert_allclose(read(target), expected_logits(second), atol=1e-5)
    assert list(target.parent.iterdir()) == [target]


def test_a_full_disk_leaves_the_earlier_export(
    export: Exporter, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is built beside its place, which the last move alone touches."""
    write(export, network(seed=0), target)
    before = content(target.parent)

    def refuse(temporary: Path, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(staging, "put_in_place", refuse)
    with pytest.raises(StampError, match=r"Cannot write .*: No space left") as caught:
        write(export, network(seed=1), target)
    assert "\n" not in str(caught.value)
    assert content(target.parent) == before


def test_the_model_stays_as_it_is(export: Exporter, target: Path) -> None:
    model = network()
    model.compile("sgd", "mse")
    before = model.get_weights()
    write(export, model, target)
    assert model.compiled
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("class_names", "normalization", "message"),
    [
        (("a", "b"), NORMALIZATION, r"class_names must hold one name per class \(3\), but has 2"),
        (CLASS_NAMES, Normalization((0.5,), (0.2,)), r"one mean and std per image channel \(3\)"),
    ],
    ids=["names", "normalisation"],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_written(
    export: Exporter,
    target: Path,
    class_names: tuple[str, ...],
    normalization: Normalization,
    message: str,
) -> None:
    with pytest.raises(StampError, match=message):
        export(network(), target, class_names=class_names, normalization=normalization)
    assert not target.parent.exists()
