"""Whether inputs have the scale that batch-norm statistics expect."""

import logging

import keras
import numpy as np
import pytest
from keras import layers

import stamp_tf
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.refit.input_scale import seen_scales

SHAPE = (6, 6, 3)


def pixels(count: int = 32, *, contrast: float = 1.0, seed: int = 0) -> np.ndarray:
    """Images of even patches and noise, in [0, 1]."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(0, 1, (count, 1, 1, 3)) + rng.normal(0, 0.1, (count, *SHAPE))
    return (0.5 + contrast * (levels - 0.5)).clip(0, 1).astype("float32")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Its statistics are those of images in [0, 1]."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 3, name="conv1")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.0, name="bn1")(x))
    x = layers.Conv2D(8, 3, name="conv2")(x)
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization(momentum=0.0, name="bn2")(x))
    network = keras.Model(inputs, layers.Dense(3)(x))
    network(pixels(64, seed=1), training=True)
    return network


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if " look " in record.getMessage()]


def shrunk(model: keras.Model, inputs: np.ndarray, caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.WARNING):
        stamp_tf.shrink(model, inputs, max_flops=0.7, method="l1")
    return warnings(caplog)


@pytest.mark.parametrize(("slope", "words"), [(255, "255 times larger"), (1 / 255, "255 times smaller")])
def test_inputs_of_another_scale_are_warned_of_with_figures(
    model: keras.Model, caplog: pytest.LogCaptureFixture, slope: float, words: str
) -> None:
    inputs = pixels(64, seed=1) * np.float32(slope)
    (line,) = shrunk(model, inputs, caplog)
    (seen,) = seen_scales(model, inputs)
    assert seen.ratio == pytest.approx(slope, rel=0.01)
    assert line == (
        f"Inputs look {words} than the network's batch-norm statistics expect (layer 'bn1': deviation "
        f"{seen.deviation:.3g} against {seen.expected:.3g}); pass them as in training."
    )


@pytest.mark.parametrize("contrast", [0.5, 1.0])
def test_other_images_of_the_same_scale_are_not(
    model: keras.Model, caplog: pytest.LogCaptureFixture, contrast: float
) -> None:
    assert shrunk(model, pixels(contrast=contrast), caplog) == []


def test_a_shift_is_warned_of_too(model: keras.Model, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = shrunk(model, pixels() + np.float32(20), caplog)
    assert "shifted by" in line


def test_what_says_nothing_of_a_scale_is_passed_over(model: keras.Model) -> None:
    fresh = keras.models.clone_model(model)
    normalized = keras.Sequential(
        [keras.Input(SHAPE), layers.LayerNormalization(), layers.Conv2D(4, 1), layers.BatchNormalization()]
    )
    normalized(pixels(), training=True)
    for network, count in ((fresh, 32), (normalized, 32), (model, 3)):
        assert seen_scales(network, 255 * pixels(count)) == ()


def test_each_input_of_a_network_is_looked_at() -> None:
    first, second = keras.Input((4,), name="first"), keras.Input((4,), name="second")
    norms = [layers.BatchNormalization(momentum=0.0, name=f"bn_{one.name}") for one in (first, second)]
    ends = [norm(one) for norm, one in zip(norms, (first, second), strict=True)]
    network = keras.Model([first, second], layers.Dense(2)(layers.Concatenate()(ends)))
    rows = np.random.default_rng(0).normal(3, 2, (2, 50, 4)).astype("float32")
    network(list(rows), training=True)
    seen = {one.layer: one.is_far for one in seen_scales(network, [rows[0], 1000 * rows[1]])}
    assert seen == {"bn_first": False, "bn_second": True}


@pytest.mark.parametrize(("scale", "count"), [("0:1", 0), ("0:255", 1)])
def test_pruning_a_model_of_ones_own_warns_as_well(
    model: keras.Model, caplog: pytest.LogCaptureFixture, scale: str, count: int
) -> None:
    images = (255 * pixels(36)).astype("uint8")
    part = ImageSet(images, np.arange(36, dtype="int32") % 3, 3, class_names=("a", "b", "c"))
    with caplog.at_level(logging.WARNING):
        stamp_tf.prune(
            *(DataSet("patches", part, part), model),
            **{"pixels": scale, "method": "l1", "max_flops": 0.7, "refit": False},
            finetune=stamp_tf.FinetuneConfig(epochs=0),
        )
    found = warnings(caplog)
    assert len(found) == count
    assert all(line.startswith("Pixels at the scale 0:255 look 2") for line in found)
