"""Which folders are parts and which are classes, by the table in `layout.py`."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stamp_tf.data import load_dataset, with_classes
from stamp_tf.errors import StampError

COUNTER = iter(range(10**6))


def write(root: Path, *folders: str, number: int = 2) -> str:
    """Write so many different images to each folder, and return the data set's name."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for _ in range(number):
            index = next(COUNTER)
            pixels = np.random.default_rng(index).integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{index}.png")
    return f"folder:{root}"


def part(name: str, *classes: str) -> tuple[str, ...]:
    return tuple(f"{name}/{each}" for each in classes or ("cat", "dog"))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "TEST"),
        ("training", "testing"),
        ("Training", "Testing"),
        ("train", "val"),
        ("train", "valid"),
        ("TRAIN", "Validation"),
        ("training_set", "test_set"),
        ("trainset", "valset"),
        ("train-images", "test images"),
    ],
)
def test_parts_have_many_names(
    tmp_path: Path, train: str, test: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, *part(train), number=3)
    with caplog.at_level(logging.INFO):
        dataset = load_dataset(write(tmp_path, *part(test)))
    assert dataset.class_names == ("cat", "dog")
    assert (len(dataset.train), len(dataset.test)) == (6, 4)
    assert f"'{train}' is for training (6 images), '{test}' for testing (4)." in caplog.text


def test_a_third_part_is_left_out_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, *part("train"), number=3)
    write(tmp_path, *part("val"), number=5)
    with caplog.at_level(logging.INFO):
        dataset = load_dataset(write(tmp_path, *part("test")))
    assert (len(dataset.train), len(dataset.test)) == (6, 4)
    assert "'test' for testing (4), 'val' (10) is left out unless epochs are judged by it." in caplog.text
    held_out = dataset.validation.in_memory()
    assert np.bincount(held_out.labels).tolist() == [5, 5]
    assert held_out.image_shape == dataset.image_shape
    turned = with_classes(dataset, ("dog", "cat")).validation.in_memory()
    np.testing.assert_array_equal(turned.labels, 1 - held_out.labels)


def test_a_third_part_of_other_classes_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, *part("train"), number=3)
    write(tmp_path, "val/bird", "val/cow", number=5)
    with caplog.at_level(logging.INFO):
        dataset = load_dataset(write(tmp_path, *part("test")))
    assert dataset.validation is None
    assert "'val' (10) is left out, as its classes are others." in caplog.text


def test_a_part_for_training_alone_is_split(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, *part("Training"), number=5))
    assert dataset.class_names == ("cat", "dog")
    assert len(dataset.train) + len(dataset.test) == 10


@pytest.mark.parametrize(
    "classes",
    [("bus", "train"), ("bus", "test"), ("plane", "train", "validity"), ("bullet_train", "test_tube")],
)
def test_classes_may_have_the_name_of_a_part(tmp_path: Path, classes: tuple[str, ...]) -> None:
    assert load_dataset(write(tmp_path, *classes, number=4)).class_names == classes


def test_within_a_part_every_folder_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, *part("train", "bus", "train"))
    assert load_dataset(write(tmp_path, *part("test", "bus", "train"))).class_names == ("bus", "train")


def test_hidden_folders_and_files_are_not_read(tmp_path: Path) -> None:
    spec = write(tmp_path, "cat", "dog", number=4)
    for where in ("", "cat"):
        write(tmp_path / where, ".ipynb_checkpoints", "__MACOSX", "@eaDir")
        (tmp_path / where / ".DS_Store").write_bytes(b"junk")
        (tmp_path / where / "._0.png").write_bytes(b"junk")
    dataset = load_dataset(spec)
    assert dataset.class_names == ("cat", "dog")
    assert len(dataset.train) + len(dataset.test) == 8


def test_hidden_folders_beside_parts_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, *part("train"), *part("test"))
    dataset = load_dataset(write(tmp_path, ".git", "__MACOSX/train", "train/.ipynb_checkpoints"))
    assert (dataset.class_names, len(dataset.train)) == (("cat", "dog"), 4)


def test_a_folder_without_images_beside_parts_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    write(tmp_path, *part("train"))
    assert load_dataset(write(tmp_path, *part("test"))).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "test"), "'test' and 'train' read like parts.*with a folder per class"),
        (("Training", "Testing", "bus"), "'Testing' and 'Training' read like parts"),
        (("test", "val"), "'test' and 'val' read like parts"),
        ((*part("seg_train"), *part("seg_test")), "'seg_test' and 'seg_train' read like parts"),
        ((*part("myTrain"), *part("myVal")), "'myTrain' and 'myVal' read like parts"),
        ((*part("train"), "test"), "in every part, but 'test' holds images itself beside the part 'train'"),
        (
            (*part("train"), *part("test"), "extra"),
            "'train' reads like a part and 'extra' holds images|'test' reads",
        ),
        (
            (*part("train"), "bus"),
            "'train' reads like a part and 'bus' holds images beside it; .*rename 'train'",
        ),
        ((*part("train"), *part("Training")), "'Training' and 'train' mean the same; rename"),
        ((*part("test"), *part("val")), "a part to learn from, but holds only 'test' and 'val'; add"),
        (
            (*part("cat", "train", "test"), *part("dog", "train", "test")),
            "parts above classes, but 'cat' holds",
        ),
        ((*part("train"), *part("test", "Dog", "cat")), "only train has 'dog' and only test has 'Dog'; add"),
        (
            (*part("train", "a", "b", "c"), *part("val", "a", "b")),
            "'train' and 'val', but only train has 'c'",
        ),
        (
            (*part("trn"), *part("tst")),
            "'trn' and 'tst' both hold 'cat' and 'dog', as parts of a data set do",
        ),
        (
            (*part("train/amazon"), *part("train/webcam"), *part("test/amazon"), *part("test/webcam")),
            "/train must hold a folder per class, but 'amazon' and 'webcam' both hold",
        ),
        (("cat", "dog", *part("augmented")), "'augmented' holds 'cat' and 'dog' again; move"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    tmp_path: Path, folders: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StampError, match=message) as caught:
        load_dataset(write(tmp_path, *folders))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inner", [("2019", "2020"), ("images",)])
def test_pictures_of_a_class_may_lie_in_like_folders(tmp_path: Path, inner: tuple[str, ...]) -> None:
    dataset = load_dataset(write(tmp_path, *part("cat", *inner), *part("dog", *inner)))
    assert dataset.class_names == ("cat", "dog")


def test_a_part_without_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    with pytest.raises(
        StampError, match="same classes in 'train' and 'test', but only train has 'cat', 'dog'"
    ):
        load_dataset(write(tmp_path, *part("train")))


@pytest.mark.parametrize("name", ["cat\x1b[31m", "cat\ndog", "cat\u202egod", "cat\udcff", " "])
def test_class_names_that_cannot_be_shown_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StampError, match=r"class names of printable characters, but one is '") as caught:
        load_dataset(write(tmp_path, name, "dog"))
    assert str(caught.value).isprintable()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "not a regular file"),
        (device, "not a regular file"),
        (lambda path: path.symlink_to("gone"), "No such file"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ],
    ids=["pipe", "device", "broken link", "link to itself"],
)
def test_only_regular_files_are_opened(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    spec = write(tmp_path, "cat", "dog", number=4)
    make(tmp_path / "cat" / "0.png")
    with pytest.raises(StampError, match=f"cat/0.png cannot be decoded: {message}"):
        load_dataset(spec)
    assert load_dataset(spec, skip_corrupt=True).class_names == ("cat", "dog")


def test_a_file_that_claims_a_huge_size_is_not_read(tmp_path: Path) -> None:
    spec = write(tmp_path, "cat", "dog", number=4)
    with (tmp_path / "cat" / "0.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(
        StampError, match=r"cat/0.png cannot be decoded: .* bytes are more than a picture may have"
    ):
        load_dataset(spec)


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    spec = write(tmp_path, "cat", "dog", number=4)
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    assert load_dataset(spec).class_names == ("cat", "dog")


def test_a_link_to_a_class_folder_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "cat", "dog", number=4)
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere" / name)
    assert load_dataset(f"folder:{tmp_path / 'set'}").class_names == ("cat", "dog")


def test_a_home_that_nobody_has_is_one_line() -> None:
    for kind in ("folder", "npz"):
        with pytest.raises(StampError, match="home directory"):
            load_dataset(f"{kind}:~nobody_of_this_name/x")


def test_pictures_of_types_that_are_not_read_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = write(tmp_path, "cat", "dog", number=4)
    for index in range(3):
        (tmp_path / "dog" / f"{index}.HEIC").write_bytes(b"")
    load_dataset(spec)
    assert "3 pictures of types that are not read are left out, such as dog/" in caplog.text


def test_accents_may_be_written_in_two_ways(tmp_path: Path) -> None:
    whole, apart = "caf\u00e9", "cafe\u0301"
    write(tmp_path, *part("train", whole, "tea"))
    assert load_dataset(write(tmp_path, *part("test", apart, "tea"))).class_names == (whole, "tea")


def test_two_spellings_of_one_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StampError, match="two are called 'caf\u00e9' in different spellings"):
        load_dataset(write(tmp_path, "caf\u00e9", "cafe\u0301"))


def test_control_characters_in_file_names_are_escaped(tmp_path: Path) -> None:
    spec = write(tmp_path, "cat", "dog", number=4)
    (tmp_path / "cat" / "a\x1b[2J\n.png").write_bytes(b"junk")
    with pytest.raises(StampError, match=r"cat/a\\x1b\[2J\\n.png cannot be decoded") as caught:
        load_dataset(spec)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("kind", ["folder", "npz"])
@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/etc/passwd/x"])
def test_a_path_that_cannot_be_is_one_line(kind: str, path: str) -> None:
    with pytest.raises(StampError, match="must be") as caught:
        load_dataset(f"{kind}:{path}")
    assert "\n" not in str(caught.value)


def test_a_data_dir_of_nobody_is_one_line() -> None:
    with pytest.raises(StampError, match="must be a folder, but ~nobody_of_this_name/x"):
        load_dataset("digits", data_dir="~nobody_of_this_name/x")
