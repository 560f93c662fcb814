"""What a reference's record says of images that are held out now."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stamp_tf.data import DataSet, load_dataset
from stamp_tf.data.doubt import doubt_of_reference
from stamp_tf.data.identity import identity_of


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    """Images without a test part."""
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=np.arange(60) % 3)
    return load_dataset(f"npz:{tmp_path / 'images.npz'}")


def spec_of(dataset: DataSet) -> str:
    assert dataset.origin is not None
    return dataset.origin.spec


@pytest.mark.parametrize(
    "record",
    [
        lambda spec: {"dataset": spec},
        lambda spec: {"dataset": "cifar100", "meta_dataset": spec},
        lambda spec: {"dataset": "cifar100", "start": {"dataset": "digits", "start": {"dataset": spec}}},
    ],
)
def test_a_reference_of_an_older_version_leaves_a_doubt(dataset: DataSet, record: Any) -> None:
    doubt = doubt_of_reference(record(spec_of(dataset)), dataset)
    assert doubt.startswith(f"The accuracy on {dataset.name} may be of images that trained the network: ")
    assert "the reference was trained on it by an older version" in doubt
    assert "train the reference anew, or name a data set with a test part" in doubt


def test_a_link_and_a_relative_path_are_the_same_place(
    dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.npz").symlink_to("images.npz")
    for path in ("images.npz", "other.npz"):
        assert doubt_of_reference({"dataset": f"npz:{path}"}, dataset)


def test_what_had_a_test_part_was_trained_on_whole(dataset: DataSet) -> None:
    had_one = identity_of(dataclasses.replace(dataset, test_by_content=False))
    doubt = doubt_of_reference({"dataset": spec_of(dataset), "data": had_one}, dataset)
    assert "it had a test part when the reference was trained" in doubt


@pytest.mark.parametrize(
    "record",
    [{}, {"dataset": "digits"}, {"dataset": 5}, {"dataset": "npz:elsewhere.npz", "data": 3}, {"start": [1]}],
)
def test_other_data_leave_none(dataset: DataSet, record: dict[str, Any]) -> None:
    assert doubt_of_reference(record, dataset) == ""


def test_a_split_by_content_on_both_sides_leaves_none(dataset: DataSet) -> None:
    record = {"dataset": spec_of(dataset), "data": identity_of(dataset)}
    assert doubt_of_reference(record, dataset) == ""


def test_a_test_part_of_its_own_leaves_none(dataset: DataSet) -> None:
    own = dataclasses.replace(dataset, test_by_content=False)
    assert doubt_of_reference({"dataset": spec_of(dataset)}, own) == ""
