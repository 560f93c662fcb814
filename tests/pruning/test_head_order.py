"""Outputs of a network without names are taken in the order of the classes, and that is looked at."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.export.keras_file import export_keras
from stamp_tf.pruning.head_order import in_order_of_head
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.own_file import reference_of_file

SHAPE = (8, 8, 3)
LEVELS = (30, 90, 150, 210)
KEEP = {"option": "--head keep", "remedy": "use --head ridge"}


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    rng = np.random.default_rng(0)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 4
        pixels = rng.integers(-20, 20, (count, *SHAPE)) + np.array(LEVELS)[labels][:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 4, class_names=("a", "b", "c", "d"))

    return DataSet("shades", images(200), images(40))


def network(order: tuple[int, ...]) -> keras.Model:
    """Tell four shades of pixels in [0, 1] by the distance of their mean from each, the outputs in an order."""
    image = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(4, 1, name="conv")(image))
    model = keras.Model(image, layers.Dense(4, name="classes")(x), name="shades")
    model.get_layer("conv").set_weights([np.full((1, 1, 3, 4), 1 / 3), np.zeros(4)])
    centres = np.array(LEVELS)[list(order)] / 255
    model.get_layer("classes").set_weights([np.tile(2 * centres / 4, (4, 1)), -(centres**2)])
    return model


def test_outputs_in_another_order_are_noticed(dataset: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    reference = reference_of_model(network((2, 0, 3, 1)), pixels="0:1")
    assert in_order_of_head(dataset, reference, **KEEP) is dataset
    assert (
        "right on 0% of 200 training images, and on 100% if they stand for 'c', 'a', 'd' and 'b'"
        in caplog.text
    )


def test_outputs_in_the_right_order_give_no_warning(
    dataset: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    in_order_of_head(dataset, reference_of_model(network((0, 1, 2, 3)), pixels="0:1"), **KEEP)
    assert "they are taken for the classes of shades in this order" in caplog.text
    assert "do not seem to stand for" not in caplog.text


class Scale:
    mean, std = (0.0,) * 3, (1.0,) * 3


def test_a_network_that_left_this_library_knows_its_classes(dataset: DataSet, tmp_path: Path) -> None:
    names = ("c", "a", "d", "b")
    path = export_keras(
        network((2, 0, 3, 1)), tmp_path / "own.keras", class_names=names, normalization=Scale()
    )
    reference = reference_of_file(path)
    mapped = in_order_of_head(dataset, reference, **KEEP)
    assert mapped.class_names == names
    assert [mapped.class_names[label] for label in mapped.train.labels[:4]] == ["a", "b", "c", "d"]
    export_keras(network((0, 1, 2, 3)), path, class_names=("a", "b", "c", "e"), normalization=Scale())
    with pytest.raises(StampError, match=r"'e' is missing and 'd' is none of them.*use --head ridge"):
        in_order_of_head(dataset, reference_of_file(path), **KEEP)
