"""Mini-batches: determinism, completeness, augmentation and speed."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from stamp_tf.data import Batches, ImageSet, Normalization
from stamp_tf.data.augmentation import crop_and_flip
from stamp_tf.data.batches import even_batch_size
from stamp_tf.errors import StampError
from stamp_tf.workers import Workers

# Leaves a pixel's value readable: normalised = pixel / 255.
IDENTITY = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def collect(batches: Batches, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches.epoch(epoch), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_epoch_depends_on_seed_and_index_alone(image_set: ImageSet) -> None:
    def epoch(seed: int, index: int) -> np.ndarray:
        batches = Batches(image_set, 8, normalization=IDENTITY, seed=seed, augment=True)
        return collect(batches, index)[0]

    np.testing.assert_array_equal(epoch(0, 5), epoch(0, 5))
    assert (epoch(0, 5) != epoch(0, 6)).any()
    assert (epoch(0, 5) != epoch(1, 5)).any()


def test_shuffled_batches_are_all_full(image_set: ImageSet) -> None:
    batches = Batches(image_set, 12, normalization=IDENTITY, seed=0, augment=False)
    assert [len(labels) for _, labels in batches.epoch(0)] == [12, 12, 12]
    assert len(batches) == 3


@pytest.mark.parametrize(
    ("num_images", "batch_size", "expected"),
    [
        (243, 128, 121),
        (147, 128, 73),
        (144, 128, 128),
        (1000, 128, 128),
        (50_000, 128, 128),
        (40, 128, 128),
        (256, 128, 128),
    ],
)
def test_batches_are_made_smaller_only_where_much_of_an_epoch_would_wait(
    num_images: int, batch_size: int, expected: int
) -> None:
    assert even_batch_size(num_images, batch_size) == expected


def test_even_batches_leave_fewer_images_than_there_are_batches() -> None:
    for num_images in range(1, 600):
        size = even_batch_size(num_images, 32)
        assert 1 <= size <= 32
        assert num_images < 32 or 8 * (num_images % size) <= num_images


def test_set_smaller_than_a_batch_makes_one_batch(image_set: ImageSet) -> None:
    batches = Batches(image_set, 128, normalization=IDENTITY, seed=0, augment=False)
    assert [len(labels) for _, labels in batches.epoch(0)] == [40]
    assert len(batches) == 1


def test_unshuffled_batches_keep_order_and_remainder(image_set: ImageSet) -> None:
    batches = Batches(image_set, 12, normalization=IDENTITY, seed=0, augment=False, shuffle=False)
    images, labels = collect(batches, 0)
    assert len(batches) == 4
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, image_set.labels)
    np.testing.assert_array_equal(np.rint(images * 255), image_set.images)


def test_labels_stay_with_their_images(image_set: ImageSet) -> None:
    images, labels = collect(Batches(image_set, 8, normalization=IDENTITY, seed=0, augment=False), 0)
    np.testing.assert_array_equal(np.rint(images[:, 0, 0, 0] * 255), labels)


def test_augmentation_is_a_crop_of_the_reflected_image(make_image_set: Callable[..., ImageSet]) -> None:
    images = make_image_set(image_shape=(16, 12, 3)).images
    padding = 2
    padded = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="reflect")
    augmented = crop_and_flip(images, np.random.default_rng(0), padding=padding, flip=True)
    height, width = images.shape[1:3]
    kinds = set()
    for image, source in zip(augmented, padded, strict=True):
        found = [
            (top, left, step)
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
            for step in (1, -1)
            if (source[top : top + height, left : left + width][:, ::step] == image).all()
        ]
        assert len(found) == 1
        kinds.add(found[0])
    assert len({kind[:2] for kind in kinds}) > 10
    assert {step for _, _, step in kinds} == {1, -1}


def test_without_flip_nothing_is_mirrored() -> None:
    # A ramp falls from left to right only if it is mirrored; reflection touches the outer 2 columns.
    ramp = np.broadcast_to((np.arange(16, dtype=np.uint8) * 10)[None, None, :, None], (64, 16, 16, 1))
    augmented = crop_and_flip(ramp, np.random.default_rng(0), padding=2, flip=False)
    assert (np.diff(augmented[:, :, 3:13, 0].astype(int), axis=2) > 0).all()


def test_augmentation_at_the_smallest_size_changes_nothing(make_image_set: Callable[..., ImageSet]) -> None:
    images = make_image_set(image_shape=(4, 4, 1)).images
    augmented = crop_and_flip(images, np.random.default_rng(0), padding=0, flip=False)
    np.testing.assert_array_equal(augmented, images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "--batch-size must be at least 1, but is 0"),
        ({"seed": -1}, "--seed must be between 0 and 4294967295, but is -1"),
    ],
)
def test_refuses_numbers_out_of_range(image_set: ImageSet, change: dict[str, int], message: str) -> None:
    options = {"batch_size": 8, "seed": 0} | change
    with pytest.raises(StampError, match=message):
        Batches(image_set, normalization=IDENTITY, augment=False, **options)


@pytest.mark.slow
def test_batch_of_128_takes_less_than_three_milliseconds(make_image_set: Callable[..., ImageSet]) -> None:
    batches = Batches(
        make_image_set(num_classes=10, per_class=200, image_shape=(32, 32, 3)),
        128,
        normalization=IDENTITY,
        seed=0,
        augment=True,
    )
    seconds = []
    for index in range(5):
        start = time.perf_counter()
        for _ in batches.epoch(index):
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
    # The fastest tells what the code costs; the others what else the machine was doing.
    assert min(seconds) < 3e-3


def test_workers_read_the_parts_of_the_batches_of_one(image_set: ImageSet) -> None:
    whole = Batches(image_set, 12, normalization=IDENTITY, seed=0, augment=True)
    for index in range(3):
        shared = whole.shared_by(Workers(3, index))
        for (images, labels), (own, own_labels) in zip(whole.epoch(1), shared.epoch(1), strict=True):
            np.testing.assert_array_equal(own, images[index::3])
            np.testing.assert_array_equal(own_labels, labels[index::3])
