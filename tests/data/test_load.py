"""From --dataset's words to a data set: names, sizes, and what is unknown."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet, load_dataset
from stamp_tf.errors import StampError


def test_digits_are_gray_balanced_and_never_mirrored() -> None:
    dataset = load_dataset("digits")
    assert dataset.image_shape == (8, 8, 1)
    assert dataset.class_names == tuple("0123456789")
    assert (len(dataset.train), len(dataset.test)) == (1438, 359)
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 255)
    assert not dataset.flips


def test_digits_are_resized_and_repeated_to_colour() -> None:
    dataset = load_dataset("digits", image_shape=(32, 32, 3), train_size=100)
    assert dataset.image_shape == (32, 32, 3)
    np.testing.assert_array_equal(np.bincount(dataset.train.labels), [10] * 10)
    np.testing.assert_array_equal(dataset.train.images[..., 0], dataset.train.images[..., 2])


def test_digits_have_one_test_set_whatever_the_seed() -> None:
    first, second = (load_dataset("digits", seed=seed).test for seed in (0, 1))
    np.testing.assert_array_equal(first.images, second.images)


def test_digits_refuse_an_argument() -> None:
    with pytest.raises(StampError, match="digits must stand alone, but is followed by 'x'"):
        load_dataset("digits:x")


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("digitz", "digits"),
        ("cifar1oo", "cifar100?"),
        ("foldr:/somewhere", "folder"),
        ("svhn_croped", "svhn_cropped"),
    ],
)
def test_unknown_name_suggests_the_nearest(spec: str, meant: str) -> None:
    with pytest.raises(
        StampError, match=f"--dataset must be one of .*digits.*but is '{spec}'.*mean '{meant}"
    ):
        load_dataset(spec)


@pytest.mark.parametrize("spec", ["huggingface:x", "two words", "-", "nothing_like_any_name_at_all"])
def test_unknown_name_without_a_neighbour(spec: str) -> None:
    with pytest.raises(StampError, match=f"but is '{spec}'; check the name"):
        load_dataset(spec)


def test_path_without_a_kind_is_told_which(tmp_path: Path) -> None:
    with pytest.raises(
        StampError, match=f"must be a name, but {tmp_path} is a path; write folder:{tmp_path}"
    ):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("image_shape", [(32, 32, 4), (0, 32, 3), (32, 32)])
def test_impossible_shape(image_shape: tuple[int, ...]) -> None:
    with pytest.raises(
        StampError, match="image_shape must be a positive height and width and a depth of 1 or 3"
    ):
        load_dataset("digits", image_shape=image_shape)


def test_negative_seed() -> None:
    with pytest.raises(StampError, match="--seed must be between 0 and 4294967295, but is -1"):
        load_dataset("digits", seed=-1)


def test_plug_in_gets_its_argument_and_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    received = {}

    def source(argument: str, options: object) -> DataSet:
        received.update(argument=argument, options=options)
        return load_dataset("digits")

    monkeypatch.setattr("stamp_registry.names", lambda group: ("mine", "digits"))
    monkeypatch.setattr(
        "stamp_registry.load", lambda group, name: source if name == "mine" else digits_source()
    )
    dataset = load_dataset("mine:a:b", image_shape=(16, 16, 3), skip_corrupt=True)
    assert received["argument"] == "a:b"
    assert received["options"].skip_corrupt
    assert dataset.image_shape == (16, 16, 3)


def digits_source() -> Callable[..., DataSet]:
    from stamp_tf.data.digits import digits

    return digits


def test_plug_in_that_returns_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stamp_registry.names", lambda group: ("mine",))
    monkeypatch.setattr("stamp_registry.load", lambda group, name: lambda argument, options: 42)
    with pytest.raises(
        StampError,
        match=r"The data set 'mine' must return a stamp_tf.data.DataSet, but returned int",
    ):
        load_dataset("mine")


def test_what_a_plug_in_refuses_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def source(argument: str, options: object) -> DataSet:
        part = ImageSet(np.zeros((2, 8, 8, 3), "uint8"), np.full(2, -1, "int32"), 2, class_names=("a", "b"))
        return DataSet("mine", part, part)

    monkeypatch.setattr("stamp_registry.names", lambda group: ("mine",))
    monkeypatch.setattr("stamp_registry.load", lambda group, name: source)
    with pytest.raises(StampError, match=r"^The data set 'mine': labels must be in \[0, 2\)"):
        load_dataset("mine")


def test_broken_plug_in_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from stamp_registry import BrokenPlugin

    def load(group: str, name: str) -> object:
        raise BrokenPlugin("it exits at import")

    monkeypatch.setattr("stamp_registry.names", lambda group: ("mine",))
    monkeypatch.setattr("stamp_registry.load", load)
    with pytest.raises(StampError, match="--dataset mine cannot be loaded: it exits at import"):
        load_dataset("mine")


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, stamp_tf.data\n"
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'keras', 'sklearn', 'PIL'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_images_that_no_memory_bears_are_refused():
    with pytest.raises(StampError, match=r"at most 4096 pixels high and wide, but is \(99999, 8, 3\)"):
        load_dataset("digits", image_shape=(99999, 8, 3))
