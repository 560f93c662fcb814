"""A digest changes with the data, and with nothing else."""

import dataclasses
import os
import time

import numpy as np
import pytest
from PIL import Image

from stamp_tf.data import DataSet, ImageSet, load_dataset, with_classes
from stamp_tf.data.digest import digest_of


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """What of two digests differs."""
    return {name for name in before if before[name] != after[name]}


@pytest.fixture
def dataset(make_image_set) -> DataSet:
    return DataSet("toy", make_image_set(), make_image_set(per_class=3))


def test_one_pixel_counts(dataset):
    images = dataset.test.images.copy()
    images[3, 2, 1, 0] ^= 1
    other = dataclasses.replace(dataset, test=dataclasses.replace(dataset.test, images=images))
    assert changed(digest_of(dataset), digest_of(other)) == {"test"}


def test_one_label_counts(dataset):
    labels = dataset.train.labels.copy()
    labels[0] = (labels[0] + 1) % 4
    other = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, labels=labels))
    assert changed(digest_of(dataset), digest_of(other)) == {"train"}


def test_the_name_of_a_class_counts(dataset):
    parts = [
        dataclasses.replace(part, class_names=("a", "b", "c", "d")) for part in (dataset.train, dataset.test)
    ]
    assert changed(digest_of(dataset), digest_of(DataSet("toy", *parts))) == {"classes"}


@pytest.mark.parametrize("stream_above", [0, 2**30])
def test_loading_twice_gives_the_same(write_folder, stream_above):
    root = write_folder()
    one, two = (digest_of(load_dataset(f"folder:{root}", stream_above=stream_above)) for _ in range(2))
    assert one == two


def test_a_streamed_folder_is_known_by_names_and_sizes(write_folder):
    root = write_folder()
    before = digest_of(load_dataset(f"folder:{root}", stream_above=0))
    for path in root.rglob("*.png"):
        os.utime(path, (0, 0))
    assert digest_of(load_dataset(f"folder:{root}", stream_above=0)) == before
    for level, path in enumerate(root.rglob("*.png")):
        Image.fromarray(np.full((12, 12, 3), level, np.uint8)).save(path)
    assert changed(before, digest_of(load_dataset(f"folder:{root}", stream_above=0))) == {"train", "test"}


def test_fifty_thousand_small_images_take_about_a_second():
    images = np.zeros((50_000, 32, 32, 3), np.uint8)
    part = ImageSet(images, np.zeros(50_000, np.int32), 1, class_names=("one",))
    started = time.perf_counter()
    digest_of(DataSet("zeros", part, part.take(np.arange(10))))
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("stream_above", [0, 2**30])
def test_the_order_of_the_classes_does_not_count(write_folder, stream_above):
    dataset = load_dataset(f"folder:{write_folder()}", stream_above=stream_above)
    assert digest_of(with_classes(dataset, ("eel", "cat", "dog"))) == digest_of(dataset)
