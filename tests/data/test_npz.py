"""npz:PATH, and everything that can be wrong with one."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError

WriteNpz = Callable[..., str]


def test_loads_both_parts_and_the_names(write_npz: WriteNpz) -> None:
    dataset = load_dataset(write_npz())
    assert (len(dataset.train), len(dataset.test)) == (40, 12)
    assert dataset.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert dataset.image_shape == (16, 16, 3)
    assert dataset.flips


def test_without_test_arrays_about_a_fifth_is_held_out_and_said_so(
    write_npz: WriteNpz, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        dataset = load_dataset(write_npz(x_test=None, y_test=None))
    assert 4 <= len(dataset.test) <= 14
    assert (np.bincount(dataset.test.labels, minlength=4) >= 1).all()
    assert f"has no test split: {len(dataset.test)} of its 40 images, chosen by their content" in caplog.text
    train = {image.tobytes() for image in dataset.train.images}
    assert not any(image.tobytes() in train for image in dataset.test.images)


def test_without_names_the_numbers_are_the_names(write_npz: WriteNpz) -> None:
    assert load_dataset(write_npz(class_names=None)).class_names == ("0", "1", "2", "3")


def test_gray_images_and_a_column_of_labels_are_accepted(write_npz: WriteNpz) -> None:
    spec = write_npz(
        x_train=np.zeros((8, 10, 10), np.uint8),
        y_train=np.tile(np.arange(4), 2)[:, None],
        x_test=np.zeros((4, 10, 10, 1), np.uint8),
        y_test=np.arange(4, dtype=np.uint8),
    )
    assert load_dataset(spec).image_shape == (10, 10, 1)


def objects() -> np.ndarray:
    return np.array([{"not": "plain"}] * 40, dtype=object)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": None}, "must hold x_train and y_train.*but x_train is missing"),
        ({"x_train": None, "y_train": None}, "but x_train and y_train are missing"),
        ({"y_test": None}, "but y_test is missing"),
        ({"x_train": np.zeros((40, 16, 16, 3))}, "x_train must be uint8.*but is float64; convert"),
        ({"x_train": np.zeros((40, 16, 16), bool)}, r"but is bool; convert with 255 \* x.astype"),
        ({"x_train": np.zeros((40, 16, 16), np.uint16)}, "but is uint16; .*where white is the largest value"),
        ({"x_train": np.zeros((40, 3, 16, 16), np.uint8)}, r"D = 1 or 3.*has \[40, 3, 16, 16\]; reshape"),
        ({"x_train": np.zeros((40, 768), np.uint8)}, r"x_train must have shape.*has \[40, 768\]"),
        ({"x_train": np.zeros((0, 16, 16, 3), np.uint8)}, "x_train must have shape"),
        ({"x_test": np.zeros((12, 8, 8, 3), np.uint8)}, "must have the same image shape in train and test"),
        ({"y_train": np.zeros(40)}, "y_train must hold integers, but is float64"),
        ({"y_train": np.zeros((40, 4), np.int64)}, r"shape \[40\], one label per image, but has \[40, 4\]"),
        ({"y_train": np.zeros(39, np.int64)}, r"one label per image, but has \[39\]"),
        ({"y_train": np.arange(40)}, r"y_train must hold labels in \[0, 4\).*span \[0, 39\]; number"),
        ({"y_train": np.arange(40) % 4 - 1}, r"labels in \[0, 4\).*span \[-1, 2\]"),
        ({"y_test": np.full(12, 4)}, r"y_test must hold labels in \[0, 4\).*span \[4, 4\]"),
        ({"y_train": np.arange(40) % 4 + 1, "class_names": None}, r"y_train must hold the labels 0 to n - 1"),
        ({"y_train": np.zeros(40, np.int64), "class_names": None}, "n >= 2 classes.*holds 1 different"),
        ({"class_names": np.arange(4)}, "class_names must be an array of 2 or more strings, but is int64"),
        ({"y_train": objects()}, "holds Python objects, which are never unpickled"),
    ],
)
def test_refuses_wrong_content(
    write_npz: WriteNpz, changes: dict[str, np.ndarray | None], message: str
) -> None:
    spec = write_npz(**changes)
    with pytest.raises(StampError, match=message) as caught:
        load_dataset(spec)
    assert "\n" not in str(caught.value)
    assert "toy" in str(caught.value)


def test_refuses_a_name_without_a_path() -> None:
    with pytest.raises(StampError, match=r"npz must name a file.*write npz:PATH"):
        load_dataset("npz")


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StampError, match="must be a file, but there is none; check the path"):
        load_dataset(f"npz:{tmp_path / 'absent.npz'}")


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"must be an .npz file, but is something else"):
        load_dataset(f"npz:{tmp_path}")


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"x_train": 1})])
def test_refuses_what_is_not_an_npz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(StampError, match=r"must be an .npz file, but is something else; write it with"):
        load_dataset(f"npz:{path}")


def test_refuses_a_truncated_file(write_npz: WriteNpz) -> None:
    spec = write_npz()
    path = Path(spec.removeprefix("npz:"))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(StampError, match=r"must be an .npz file|damaged|must be a readable"):
        load_dataset(spec)


def test_refuses_flipped_bytes(write_npz: WriteNpz) -> None:
    spec = write_npz()
    path = Path(spec.removeprefix("npz:"))
    content = bytearray(path.read_bytes())
    content[5000:5100] = bytes(255 - byte for byte in content[5000:5100])
    path.write_bytes(bytes(content))
    with pytest.raises(StampError, match=r"must be a readable .npz file|damaged"):
        load_dataset(spec)


@pytest.mark.parametrize(("part", "what"), [("x_train", "train on"), ("x_test", "test on")])
def test_numbers_of_another_range_cut_to_8_bits_are_warned_about(
    write_npz: WriteNpz, part: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    images = np.random.default_rng(0).integers(
        0, 2, (40 if part == "x_train" else 12, 16, 16, 3), dtype=np.uint8
    )
    load_dataset(write_npz(**{part: images}))
    assert [record.levelname for record in caplog.records if record.levelname != "INFO"] == ["WARNING"]
    assert f"the images to {what} are nearly black, with 1 of 255 as their largest value" in caplog.text


def test_several_labels_an_image_are_refused_for_what_they_are(tmp_path: Path) -> None:
    labels = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    np.savez(tmp_path / "tags.npz", x_train=np.zeros((4, 2, 2, 3), np.uint8), y_train=labels)
    with pytest.raises(
        StampError, match=r"one label per image, but has rows of several .*; leave such images out"
    ):
        load_dataset(f"npz:{tmp_path / 'tags.npz'}")
