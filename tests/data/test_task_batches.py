"""Mini-batches of small tasks."""

import numpy as np
import pytest

from stamp_tf.data import ImageSet, Normalization, StreamedSet
from stamp_tf.data.task_batches import MOST_WAYS, TaskBatches
from stamp_tf.errors import StampError

IDENTITY = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def images_of(counts: list[int]) -> ImageSet:
    """Return images whose every pixel is their label."""
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    pixels = np.broadcast_to(labels[:, None, None, None], (len(labels), 8, 8, 3)).astype(np.uint8)
    return ImageSet(np.ascontiguousarray(pixels), labels, len(counts), tuple(map(str, range(len(counts)))))


def batches(images: ImageSet, *, size: int = 24, seed: int = 0) -> TaskBatches:
    return TaskBatches(images, size, normalization=IDENTITY, seed=seed, flip=True)


def test_images_labels_and_classes_belong_together() -> None:
    drawn = batches(images_of([30] * 40))
    for step in range(20):
        batch = drawn.draw(step)
        assert batch.images.shape == (24, 8, 8, 3)
        values = IDENTITY(np.arange(40, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3))[:, 0, 0]
        np.testing.assert_allclose(batch.images[:, 0, 0], values[batch.labels], rtol=1e-6)
        assert set(batch.labels) <= set(np.flatnonzero(batch.classes))


def test_every_class_of_a_task_comes_about_equally_often() -> None:
    for step in range(20):
        batch = batches(images_of([30] * 6)).draw(step)
        counts = np.bincount(batch.labels, minlength=6)[batch.classes > 0]
        # The batch is cut at random from as many images of each.
        assert counts.max() <= -(-24 // len(counts))
        assert counts.sum() == 24


def test_tasks_are_small_or_of_all_classes() -> None:
    drawn = batches(images_of([2] * 50))
    ways = np.array([drawn.draw(step).classes.sum() for step in range(300)])
    small = ways[ways < 50]
    assert {2, 3, 5} <= set(small.astype(int))
    assert small.max() <= MOST_WAYS
    assert 0.2 < np.mean(ways == 50) < 0.4
    # Log-uniform: half of the tasks lie below the root of 2 * 20.
    assert 0.35 < np.mean(small < 6.3) < 0.65


def test_the_step_decides_and_the_seed() -> None:
    images = images_of([9] * 30)
    first, again, other = batches(images), batches(images), batches(images, seed=1)
    np.testing.assert_array_equal(first.draw(5).labels, again.draw(5).labels)
    assert not np.array_equal(first.draw(5).labels, first.draw(6).labels)
    assert not np.array_equal(first.draw(5).labels, other.draw(5).labels)


def test_scarce_images_repeat_and_empty_classes_never_come() -> None:
    drawn = batches(images_of([3, 0, 40]))
    for step in range(10):
        batch = drawn.draw(step)
        assert len(batch.labels) == 24
        assert batch.classes.tolist() == [1, 0, 1]


def test_streamed_images_are_refused() -> None:
    streamed = StreamedSet.__new__(StreamedSet)
    with pytest.raises(StampError, match=r"--mask-generator needs images in memory.*--train-size"):
        TaskBatches(streamed, 8, normalization=IDENTITY, seed=0, flip=True)
