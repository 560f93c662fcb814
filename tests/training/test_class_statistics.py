"""Running moments of the pooled probe, per class."""

import numpy as np

from stamp_tf.layers.class_separation import class_separation
from stamp_tf.training.class_statistics import IMAGE_WEIGHT, ClassStatistics

RNG = np.random.default_rng(0)
POOLED = RNG.normal(size=(12, 5)).astype("float32")
LABELS = np.array([0, 0, 0, 2, 2, 2, 2, 2, 3, 3, 3, 3])


def measured() -> ClassStatistics:
    statistics = ClassStatistics(4, 5)
    statistics.measure(POOLED, LABELS)
    return statistics


def test_measuring_gives_the_moments_of_each_class() -> None:
    statistics = measured()
    for label in (0, 2, 3):
        own = POOLED[label == LABELS]
        np.testing.assert_allclose(statistics.means.numpy()[label], own.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(statistics.squares.numpy()[label], (own**2).mean(0), rtol=1e-5)
    np.testing.assert_array_equal(statistics.means.numpy()[1], 0)


def test_an_update_moves_the_classes_in_the_batch_by_the_weight_of_their_images() -> None:
    statistics = measured()
    before = statistics.means.numpy().copy(), statistics.squares.numpy().copy()
    images = np.stack([np.full(5, 1.0), np.full(5, 3.0), np.full(5, 7.0)]).astype("float32")
    statistics.update(images, np.array([2, 2, 0]))
    both = 1 - (1 - IMAGE_WEIGHT) ** 2
    means, squares = statistics.means.numpy(), statistics.squares.numpy()
    np.testing.assert_allclose(means[2], before[0][2] + both * (2 - before[0][2]), rtol=1e-5)
    np.testing.assert_allclose(squares[2], before[1][2] + both * (5 - before[1][2]), rtol=1e-5)
    np.testing.assert_allclose(means[0], before[0][0] + IMAGE_WEIGHT * (7 - before[0][0]), rtol=1e-5)
    np.testing.assert_array_equal(means[3], before[0][3])
    np.testing.assert_array_equal(squares[1], before[1][1])


def test_the_sketch_separates_classes_as_the_images_do() -> None:
    sketch, classes = measured().sketch()
    assert sketch.shape == (8, 5)
    for chosen in ([0, 2, 3], [0, 3]):
        in_task = np.isin(np.arange(4), chosen).astype("float32")
        members = np.isin(LABELS, chosen)
        expected = class_separation(POOLED[members], np.eye(4, dtype="float32")[LABELS[members]])
        found = class_separation(sketch, classes * in_task)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
