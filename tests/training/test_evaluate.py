"""Accuracy on a data set."""

import keras
import numpy as np
import pytest

from stamp_tf.data import ImageSet, Normalization
from stamp_tf.training import accuracy as module
from stamp_tf.training.accuracy import evaluate_accuracy

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def images() -> ImageSet:
    """Sixteen-valued images whose class is their brightness."""
    labels = np.random.default_rng(0).integers(0, 4, 23).astype(np.int32)
    pixels = np.broadcast_to((60 * labels)[:, None, None, None], (23, 2, 2, 3)).astype(np.uint8)
    return ImageSet(pixels, labels, 4, class_names=("a", "b", "c", "d"))


def nearest(levels: np.ndarray) -> keras.Model:
    """Return a network whose largest logit is that of the nearest level of brightness, in [0, 1]."""
    inputs = keras.Input((2, 2, 3))
    value = keras.ops.mean(inputs, axis=(1, 2, 3), keepdims=False)[:, None] * 0.25 + 0.5
    return keras.Model(inputs, -keras.ops.square(value - levels.astype("float32")))


@pytest.mark.parametrize("batch_size", [500, 8, 1])
def test_it_counts_every_image_once(
    images: ImageSet, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", batch_size)
    levels = 60 * np.arange(4) / 255
    assert evaluate_accuracy(nearest(levels), images, normalization=NORMALIZATION) == 1.0
    swapped = levels[[1, 0, 2, 3]]
    wrong = np.isin(images.labels, (0, 1)).mean()
    accuracy = evaluate_accuracy(nearest(swapped), images, normalization=NORMALIZATION)
    assert accuracy == pytest.approx(1 - wrong)


def test_statistics_do_not_move(images: ImageSet) -> None:
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.BatchNormalization()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    before = model.get_weights()
    evaluate_accuracy(model, images, normalization=NORMALIZATION)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
