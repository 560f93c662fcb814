"""Any network is tested on the images of its classes, whatever its format is and wherever they lie."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.export.keras_file import export_keras
from stamp_tf.export.saved_model import export_saved_model
from stamp_tf.pruned_runs.evaluate import evaluated
from stamp_tf.pruned_runs.evaluation import Evaluation
from stamp_tf.training.accuracy import TestCounts

NAMES = ("dark", "grey", "light")
LEVELS = np.array([30, 120, 220])


def network(scale: float = 255.0) -> keras.Model:
    """Tell images by their mean: the nearest of three levels, of pixels in [0, scale]."""
    image = keras.Input((8, 8, 3))
    head = keras.layers.Dense(3, name="head")
    # Of one's own models only those are taken that could be pruned.
    conv = keras.layers.Conv2D(3, 1, name="conv")
    model = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(conv(image))))
    conv.set_weights([np.eye(3)[None, None], np.zeros(3)])
    levels = LEVELS / 255 * scale
    head.set_weights([np.tile(2 * levels / 3, (3, 1)) / scale, -(levels**2) / scale])
    return model


def dataset(class_names: tuple[str, ...] = NAMES) -> DataSet:
    """Ten images of each class, of which three of every `grey` are light in truth."""
    rng = np.random.default_rng(0)
    order = [NAMES.index(name) for name in class_names]
    labels = np.repeat(np.arange(len(order)), 10).astype(np.int32)
    shown = np.array(order)[labels]
    shown[np.flatnonzero(shown == 1)[:3]] = 2
    images = (LEVELS[shown][:, None, None, None] + rng.normal(0, 5, (len(labels), 8, 8, 3))).clip(0, 255)
    part = ImageSet(images.astype(np.uint8), labels, len(order), class_names=class_names)
    return DataSet("levels", part, part)


@pytest.fixture(params=[export_keras, export_saved_model])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    export: Callable[..., Path] = request.param
    path = tmp_path / ("left.keras" if export is export_keras else "left")
    return export(network(1.0), path, class_names=NAMES, normalization=Normalization((0,) * 3, (1,) * 3))


def test_an_exported_file(file: Path) -> None:
    found = evaluated(file, dataset())
    assert found.counts.accuracy == 0.9
    assert found.confusions() == [("grey", "light", 3)]


def test_mistakes_and_confidences_are_of_the_images_tested(file: Path) -> None:
    data = dataset()
    counts = evaluated(file, data).counts
    places = [one.place for one in counts.mistakes]
    assert sorted(places) == [10, 11, 12]
    for one in counts.mistakes:
        np.testing.assert_array_equal(one.pixels, data.test.images[one.place])
        assert one.probability == pytest.approx(counts.confidences[one.place])
    expected = stamp_tf.predict(file, data.test.images).probabilities.max(axis=1)
    np.testing.assert_allclose(counts.confidences, expected, atol=1e-6)


@pytest.mark.parametrize(("units", "activation"), [(3, "softmax"), (3, "sigmoid"), (1, "sigmoid")])
def test_confidences_are_the_probabilities_that_the_network_gives(
    tmp_path: Path, units: int, activation: str
) -> None:
    keras.utils.set_random_seed(0)
    names = NAMES if units == 3 else NAMES[:2]
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 1)(image))
    model = keras.Model(image, keras.layers.Dense(units, activation=activation)(pooled))
    model.save(tmp_path / "own.keras")
    data = dataset(names)
    output = model.predict(data.test.images / 255.0, verbose=0)
    expected = np.maximum(output, 1 - output)[:, 0] if units == 1 else output.max(axis=1)
    counts = evaluated(tmp_path / "own.keras", data, pixels="0:1").counts
    np.testing.assert_allclose(counts.confidences, expected, rtol=1e-4)


def test_classes_are_found_by_name(file: Path) -> None:
    assert evaluated(file, dataset(("light", "dark", "grey"))).confusions() == [("grey", "light", 3)]
    assert stamp_tf.evaluate(file, dataset(("grey", "dark"))) == 0.85


def test_other_images_are_refused(file: Path) -> None:
    with pytest.raises(StampError, match="'mauve' is none of them"):
        evaluated(file, dataclasses.replace(dataset(), **parts_named(("dark", "grey", "mauve"))))
    with pytest.raises(StampError, match="--dataset is needed, because"):
        stamp_tf.evaluate(file)
    with pytest.raises(StampError, match=r"pixels.* needs a file of your own"):
        stamp_tf.evaluate(file, dataset(), pixels="0:1")


def parts_named(names: tuple[str, ...]) -> dict[str, ImageSet]:
    part = dataset().train
    return dict.fromkeys(("train", "test"), ImageSet(part.images, part.labels, 3, class_names=names))


@pytest.mark.parametrize(("scale", "pixels"), [(1.0, "0:1"), (255.0, "0:255")])
def test_a_file_of_ones_own(tmp_path: Path, scale: float, pixels: str) -> None:
    path = tmp_path / "own.keras"
    network(scale).save(path)
    found = evaluated(path, dataset(), pixels=pixels)
    assert found.counts.accuracy == 0.9
    assert found.class_names == NAMES
    with pytest.raises(StampError, match=r"of the 3 classes that .*own.keras tells apart, but has .* of 2"):
        stamp_tf.evaluate(path, dataset(("grey", "dark")), pixels=pixels)


def test_figures_of_classes() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 3])
    answers = np.array([0, 1, 1, 2, 1, 1, 2])
    counts = TestCounts(labels, answers, 4, confidences=np.full(7, 0.9))
    found = Evaluation(model="m", dataset="d", class_names=("a", "b", "c", "d"), counts=counts)
    assert found.confusions() == [("a", "b", 2), ("a", "c", 1), ("d", "c", 1)]
    assert [(one.name, one.images, one.hits, one.taken_for) for one in found.classes()] == [
        ("a", 4, 1, ("b", 2)),
        ("b", 2, 2, None),
        ("d", 1, 0, ("c", 1)),
    ]
    low, high = found.interval
    assert low < 3 / 7 < high
    assert found.to_json()["accuracy"] == 3 / 7
