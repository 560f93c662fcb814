"""The test part of a set that brings none: a property of each image, whatever tool, order or copy it comes in."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stamp_tf.data import DataSet, ImageSet, load_dataset
from stamp_tf.data.content import content_keys, encoded_key
from stamp_tf.data.split import TEST_FRACTION, split_by_content, with_test_split
from stamp_tf.errors import StampError

NAMES = ("a", "b", "c")


def noise(number: int, *, seed: int = 0, shape: tuple[int, ...] = (6, 6, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, *shape), dtype=np.uint8)


def write(root: Path, images: np.ndarray, *, suffix: str = "png", prefix: str = "") -> str:
    for index, image in enumerate(images):
        path = root / NAMES[index % 3] / f"{prefix}{index}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze()).save(path)
    return f"folder:{root}"


def contents(images: np.ndarray) -> set[bytes]:
    return {np.broadcast_to(image, (*image.shape[:2], 3)).tobytes() for image in images}


def sides(dataset: DataSet) -> tuple[set[bytes], set[bytes]]:
    return contents(dataset.train.images), contents(dataset.test.images)


@pytest.mark.parametrize("depth", [1, 3])
def test_folder_and_npz_of_the_same_pictures_agree(tmp_path: Path, depth: int) -> None:
    images = noise(60, shape=(6, 6, depth))
    np.savez(tmp_path / "same.npz", x_train=images, y_train=np.arange(60) % 3)
    of_npz = sides(load_dataset(f"npz:{tmp_path / 'same.npz'}"))
    for suffix in ("png", "bmp", "tif"):
        assert sides(load_dataset(write(tmp_path / suffix, images, suffix=suffix))) == of_npz


def test_neither_seed_nor_name_nor_order_nor_size_matters(tmp_path: Path) -> None:
    images = noise(60)
    spec = write(tmp_path / "one", images)
    first = sides(load_dataset(spec))
    other = write(tmp_path / "other", images.reshape(20, 3, 6, 6, 3)[::-1].reshape(images.shape), prefix="x")
    assert sides(load_dataset(other, seed=5)) == first
    assert sides(load_dataset(spec, train_size=9))[1] == first[1]
    resized = load_dataset(spec, image_shape=(12, 12, 3))
    np.testing.assert_array_equal(resized.test.labels, load_dataset(spec).test.labels)
    streamed = load_dataset(spec, stream_above=0)
    assert (
        sides(dataclasses.replace(streamed, train=streamed.train.in_memory(), test=streamed.test.in_memory()))
        == first
    )


def test_other_images_do_not_matter(tmp_path: Path) -> None:
    some = sides(load_dataset(write(tmp_path / "some", noise(60))))
    more = sides(load_dataset(write(tmp_path / "more", np.concatenate([noise(60), noise(60, seed=1)]))))
    assert some[0] < more[0]
    assert some[1] < more[1]


def test_photographs_go_by_the_bytes_of_their_files(tmp_path: Path) -> None:
    spec = write(tmp_path, noise(60, shape=(24, 24, 3)), suffix="jpg")
    small, large = (load_dataset(spec, image_shape=shape) for shape in ((6, 6, 3), (24, 24, 3)))
    np.testing.assert_array_equal(small.test.labels, large.test.labels)
    assert 4 <= len(small.test) <= 24


def test_about_a_fifth_is_for_testing() -> None:
    images = ImageSet(noise(3000, shape=(2, 2, 3)), np.arange(3000, dtype=np.int32) % 3, 3, class_names=NAMES)
    test = with_test_split("noise", images).test
    assert len(test) == pytest.approx(3000 * float(TEST_FRACTION), rel=0.1)


def test_copies_are_never_parted() -> None:
    unique = noise(30)
    images = ImageSet(
        np.concatenate([unique] * 3), np.tile(np.arange(30, dtype=np.int32) % 3, 3), 3, class_names=NAMES
    )
    train, test = sides(with_test_split("copies", images))
    assert not train & test


@pytest.mark.parametrize("seed", range(20))
def test_every_class_has_images_on_both_sides(seed: int) -> None:
    images = ImageSet(noise(6, seed=seed), np.arange(6, dtype=np.int32) % 3, 3, class_names=NAMES)
    dataset = with_test_split("tiny", images)
    for part in (dataset.train, dataset.test):
        np.testing.assert_array_equal(np.bincount(part.labels), [1, 1, 1])


@pytest.mark.parametrize(("number", "what"), [(1, "has one"), (4, "has 4 that are copies")])
def test_a_class_of_one_content_is_refused(number: int, what: str) -> None:
    keys = np.array([0, 2**63, 0, 2**63, *[7] * number], np.uint64)
    labels = np.array([0, 0, 1, 1, *[2] * number])
    with pytest.raises(StampError, match=f"2 or more different images per class.*class 'c' {what}"):
        split_by_content("few", keys, labels=labels, class_names=NAMES)


def test_keys_are_the_same_for_arrays_and_files(tmp_path: Path) -> None:
    image = noise(1)
    Image.fromarray(image[0]).save(tmp_path / "x.png")
    assert encoded_key(tmp_path / "x.png") == content_keys(image)[0]
    assert content_keys(image[:, ::-1])[0] != content_keys(image)[0]
    assert content_keys(image.reshape(1, 12, 3, 3))[0] != content_keys(image)[0]


def two_parts(tmp_path: Path, kind: str, train: np.ndarray, test: np.ndarray) -> str:
    if kind == "folder":
        write(tmp_path / "set/train", train)
        write(tmp_path / "set/test", test, suffix="bmp")
        return f"folder:{tmp_path}/set"
    labels = [np.arange(len(images)) % 3 for images in (train, test)]
    np.savez(tmp_path / "set.npz", x_train=train, y_train=labels[0], x_test=test, y_test=labels[1])
    return f"npz:{tmp_path}/set.npz"


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("folder", "test/a/0.bmp (a copy of train/a/3.png)"),
        ("npz", "test image 0 (a copy of training image 3)"),
    ],
)
def test_images_in_both_parts_are_counted_and_named(
    tmp_path: Path, kind: str, example: str, caplog: pytest.LogCaptureFixture
) -> None:
    train, test = noise(9), noise(6, seed=1)
    test[0], test[4] = train[3], train[8]
    name = two_parts(tmp_path, kind, train, test)
    load_dataset(name)
    assert f"2 of its 6 test images are for training too, such as {example} and" in caplog.text
    load_dataset(name)
    assert caplog.text.count("are for training too") == 1
    assert "remove them from one of the parts" in caplog.text


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_parts_without_copies_are_not_warned_about(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    load_dataset(two_parts(tmp_path, kind, noise(9), noise(6, seed=1)))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_streamed_parts_are_not_compared_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = two_parts(tmp_path, "folder", noise(9), noise(6))
    with caplog.at_level(logging.INFO):
        load_dataset(spec, stream_above=0)
    assert "is streamed: nobody looks for images that are in both parts" in caplog.text


def test_classes_and_their_images_are_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = noise(12)
    spec = two_parts(tmp_path, "folder", images, noise(3, seed=1))
    for path in sorted((tmp_path / "set/train/c").iterdir())[:3]:
        path.unlink()
    with caplog.at_level(logging.INFO):
        load_dataset(spec)
    line = next(message for message in caplog.messages if "a 4 + 1" in message)
    assert "9 images to train on and 3 to test on, of 3 classes: a 4 + 1, b 4 + 1, c 1 + 1." in line
    assert "The largest class has 4 times the images of the smallest." in line


def test_a_thousand_classes_make_a_short_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, write_npz: Callable[..., str]
) -> None:
    labels = np.concatenate([np.arange(1000), np.arange(1000), np.full(7, 3)])
    images = noise(len(labels), shape=(2, 2, 3))
    names = np.array([f"class {label:04}" for label in range(1000)])
    with caplog.at_level(logging.INFO):
        load_dataset(
            write_npz(x_train=images, y_train=labels, x_test=images, y_test=labels, class_names=names)
        )
    line = next(message for message in caplog.messages if "Fewest" in message)
    assert "1,000 classes. Fewest: class 0000 2 + 2" in line
    assert "Most: class 0003 9 + 9" in line
    assert len(line) < 400
