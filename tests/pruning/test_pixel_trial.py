"""Which scale suits a network is tried on the target's images."""

import logging
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.export.keras_file import export_keras
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.pixel_trial import settle_pixels, try_pixels
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult
from stamp_tf.references.find import find_reference
from stamp_tf.references.model_reference import reference_of_model

SHAPE = (8, 8, 3)
LEVELS = (30, 90, 150, 210)


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    rng = np.random.default_rng(0)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 4
        pixels = rng.integers(-20, 20, (count, *SHAPE)) + np.array(LEVELS)[labels][:, None, None, None]
        return ImageSet(pixels.astype("uint8"), labels, 4, class_names=("a", "b", "c", "d"))

    return DataSet("shades", images(300), images(40))


def network(*, unit: float = 1.0, order: tuple[int, ...] = (0, 1, 2, 3)) -> keras.Model:
    """Tell four shades of pixels in `[0, unit]` by the distance of their mean from each."""
    image = keras.Input(SHAPE)
    x = layers.Conv2D(4, 1, name="conv")(image)
    x = layers.Dense(4, name="classes")(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(image, x)
    kernel, bias = np.zeros((1, 1, 3, 4)), np.zeros(4)
    kernel[..., :] = 1 / 3 / unit
    model.get_layer("conv").set_weights([kernel, bias])
    centres = np.array(LEVELS)[list(order)] / 255
    # -(m - c)^2 without m^2, which is the same for all.
    model.get_layer("classes").set_weights([np.tile(2 * centres / 4, (4, 1)), -(centres**2)])
    return model


def test_an_assumed_scale_gives_way_to_one_that_is_better_beyond_doubt(
    dataset: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    reference = settle_pixels(reference_of_model(network(unit=255)), dataset)
    assert reference.pixels.scale == "0:255"
    assert reference.normalization(dataset.train.images)[0].max() > 10
    assert "at 0:255 the network is right on 100% of 300 training images, at standardized on " in caplog.text


def test_a_named_scale_stays_and_the_log_warns(dataset: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    reference = settle_pixels(reference_of_model(network(unit=255), pixels="0:1"), dataset)
    assert reference.pixels.scale == "0:1"
    assert "add --pixels '0:255' if the network was trained on it" in caplog.text
    caplog.clear()
    settle_pixels(reference, dataset)
    assert not caplog.text


@pytest.mark.parametrize(("unit", "pixels"), [(1.0, "0:1"), (255.0, "0:255")])
def test_a_scale_that_suits_is_left_alone(
    dataset: DataSet, caplog: pytest.LogCaptureFixture, unit: float, pixels: str
) -> None:
    reference = settle_pixels(reference_of_model(network(unit=unit), pixels=pixels), dataset)
    assert reference.pixels.scale == pixels
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_log_says_how_a_comparison_ended(dataset: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    """An assumed scale, a comparison and its outcome: three lines that do not contradict each other."""
    caplog.set_level("INFO", "stamp_tf")
    few = DataSet("few", dataset.train.take(np.arange(8)), dataset.test)
    settle_pixels(reference_of_model(network()), few)
    assert [line.split(";")[0] for line in caplog.messages] == [
        "Pixels: standardized by each data set, assumed, because the network does not scale its input",
        "Pixels: comparing that scale with 4 others on 8 training images.",
        "Pixels: standardized stays",
    ]


def test_classes_in_another_order_do_not_mislead(dataset: DataSet) -> None:
    trial = try_pixels(reference_of_model(network(order=(2, 0, 3, 1))), dataset)
    assert trial.best == "0:1"
    assert trial.shares["0:1"] == 1
    assert "once its classes are matched to those of the images" in trial.in_words("0:255")


def test_a_few_images_are_a_doubt(dataset: DataSet) -> None:
    few = DataSet("few", dataset.train.take(np.arange(8)), dataset.test)
    assert not try_pixels(reference_of_model(network()), few).beyond_doubt("0:255")


def test_what_the_network_scales_itself_is_not_tried(dataset: DataSet) -> None:
    inner = network()
    model = keras.Sequential([keras.Input(SHAPE), layers.Rescaling(1 / 255), inner])
    reference = reference_of_model(model)
    assert settle_pixels(reference, dataset) is reference


def table_network(rows: int) -> keras.Model:
    """Look every pixel up in a table."""
    image = keras.Input(SHAPE)
    x = layers.Embedding(rows, 2, name="table")(keras.ops.cast(image, "int32"))
    x = layers.Conv2D(4, 1)(layers.Reshape((8, 8, 6))(x))
    return keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def test_a_scale_at_which_the_network_does_not_run_is_left_out(dataset: DataSet) -> None:
    shares = try_pixels(reference_of_model(table_network(100), pixels="0:1"), dataset).shares
    assert "0:1" in shares
    assert "0:255" not in shares


def test_a_named_scale_at_which_it_does_not_run_is_refused(dataset: DataSet) -> None:
    reference = reference_of_model(table_network(100), pixels="0:255")
    with pytest.raises(StampError, match=r"must run on the images .* is not in \[0, 100\)'; name the"):
        try_pixels(reference, dataset)


def test_a_grey_image_has_no_scale_of_imagenet(dataset: DataSet) -> None:
    image = keras.Input((8, 8, 1))
    x = layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image)))
    parts = (
        ImageSet(each.images[..., :1], each.labels, 4, class_names=each.class_names)
        for each in (dataset.train, dataset.test)
    )
    trial = try_pixels(reference_of_model(keras.Model(image, x)), DataSet("grey", *parts))
    assert set(trial.shares) == {"0:255", "0:1", "-1:1", "standardized"}


def at_once(model: keras.Model, dataset: DataSet, **options: bool) -> PruneResult:
    return prune(dataset, model, method="l1", max_flops=0.6, finetune=FinetuneConfig(epochs=0), **options)


def test_pruning_goes_by_the_scale_that_was_settled(dataset: DataSet) -> None:
    result = at_once(network(unit=255), dataset)
    assert result.reference.pixels.origin == "measured"
    assert result.normalization(dataset.train.images)[0].max() > 10


def test_structure_alone_keeps_what_a_normalization_was_adapted_to(dataset: DataSet) -> None:
    scale = layers.Normalization(name="scale")
    scale.adapt(dataset.train.images.astype("float32"))
    model = keras.Sequential([keras.Input(SHAPE), scale, network()])
    small = at_once(model, dataset, structure_only=True).model
    np.testing.assert_allclose(np.ravel(small.get_layer("scale").mean), np.ravel(scale.mean), rtol=1e-5)


def test_a_pruned_network_is_pruned_again_at_the_scale_in_its_file(dataset: DataSet, tmp_path: Path) -> None:
    first = at_once(network(), dataset)
    path = export_keras(
        first.model,
        tmp_path / "small.keras",
        class_names=dataset.class_names,
        normalization=first.normalization,
    )
    again = find_reference(path, backbone="")
    images = dataset.test.images
    np.testing.assert_allclose(
        again.model(again.normalization_for(dataset.test)(images)),
        first.model(first.normalization(images)),
        rtol=1e-4,
        atol=1e-4,
    )
    assert settle_pixels(again, dataset) is again
    with pytest.raises(StampError, match="--pixels must be the scale that the network is built for"):
        find_reference(path, backbone="", pixels="-1:1")
