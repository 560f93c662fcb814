"""Some classes of a data set: which images, under which labels, and how they are found again."""

from collections.abc import Callable

import numpy as np
import pytest

from stamp_tf.data import load_dataset
from stamp_tf.data.identity import identity_of
from stamp_tf.data.origin import is_same_place, may_share_images
from stamp_tf.errors import StampError


def test_images_keep_their_names_and_get_labels_in_the_order_given() -> None:
    every, some = load_dataset("digits"), load_dataset("classes:7,2@digits")
    assert some.class_names == ("7", "2")
    np.testing.assert_array_equal(
        some.train.images[some.train.labels == 0], every.train.images[every.train.labels == 7]
    )
    assert len(some.test) == np.isin(every.test.labels, (2, 7)).sum()
    assert not some.flips


def test_they_are_loaded_again_from_any_folder(write_npz: Callable, tmp_path, monkeypatch) -> None:
    write_npz()
    monkeypatch.chdir(tmp_path)
    spec = identity_of(load_dataset("classes:0,1@npz:toy.npz"))["spec"]
    assert spec == f"classes:0,1@npz:{tmp_path}/toy.npz"
    assert not is_same_place(spec, f"classes:2,1@npz:{tmp_path}/toy.npz")
    assert may_share_images(spec, f"npz:{tmp_path}/toy.npz")


def test_names_with_commas_are_quoted(write_npz: Callable, tmp_path) -> None:
    names = np.array(["pear, green", "a@home", 'the "third"', "d"])
    write_npz(class_names=names)
    spec = f'classes:"pear, green", "a@home"@npz:{tmp_path}/toy.npz'
    assert load_dataset(spec).class_names == ("pear, green", "a@home")
    assert load_dataset(identity_of(load_dataset(spec))["spec"]).class_names == ("pear, green", "a@home")
    assert load_dataset(f'classes:the "third",0@npz:{tmp_path}/toy.npz').class_names[0] == 'the "third"'


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("classes:1,2", "must name two classes or more and their data set"),
        ("classes:1@digits", "must name two classes or more"),
        ("classes:1,12@digits", r"numbers from 0 to 9, but names '12'"),
        ("classes:1,1@digits", "must name each class once"),
        ("classes:1,2@dgits", "dgits"),
    ],
)
def test_what_is_no_part_is_refused(spec: str, words: str) -> None:
    with pytest.raises(StampError, match=words):
        load_dataset(spec)
