"""What a run remembers of its data leads to the same images from any folder."""

from pathlib import Path

import numpy as np
import pytest

from stamp_tf.data import load_dataset
from stamp_tf.data.identity import identity_of
from stamp_tf.data.origin import absolute_spec, is_same_place


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_spec("npz:a/../toys.npz") == (f"npz:{tmp_path}/toys.npz", tmp_path / "toys.npz")
    assert absolute_spec("folder:~/pets")[1] == Path.home() / "pets"
    for name in ("digits", "cifar10", "stripes:100"):
        assert absolute_spec(name) == (name, None)


def test_the_argument_of_a_plug_in_is_a_path_where_the_plug_in_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_spec("faces:mine", tmp_path / "mine")[0] == f"faces:{tmp_path}/mine"
    assert absolute_spec("faces:mine", tmp_path / "other")[0] == "faces:mine"


def test_a_link_leads_to_the_same_place(tmp_path):
    (tmp_path / "toys.npz").touch()
    (tmp_path / "link.npz").symlink_to(tmp_path / "toys.npz")
    assert is_same_place(f"npz:{tmp_path}/toys.npz", f"npz:{tmp_path}/link.npz")
    assert not is_same_place(f"npz:{tmp_path}/toys.npz", f"folder:{tmp_path}/toys.npz")
    assert not is_same_place("digits", f"npz:{tmp_path}/toys.npz")


def test_a_loaded_set_says_how_to_load_it_again(write_npz, tmp_path, monkeypatch):
    write_npz()
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("npz:toy.npz", train_size=20, image_shape=(8, 8, 3), seed=3)
    known = identity_of(dataset)
    assert dataset.name == "npz:toy.npz"
    assert (known["spec"], known["path"]) == (f"npz:{tmp_path}/toy.npz", f"{tmp_path}/toy.npz")
    assert (known["train_size"], known["seed"], known["test_images"]) == (20, 3, 12)
    monkeypatch.chdir("/")
    again = load_dataset(known["spec"], train_size=20, image_shape=(8, 8, 3), seed=3)
    assert identity_of(again)["digest"] == known["digest"]


def test_a_set_made_in_python_cannot_be_loaded_by_its_name(image_set):
    from stamp_tf.data import DataSet

    known = identity_of(DataSet("cifar10", image_set, image_set))
    assert (known["name"], known["spec"]) == ("cifar10", None)


@pytest.mark.parametrize("keep", ["relative", "absolute"])
def test_a_name_stays_as_it_was_typed(write_npz, tmp_path, monkeypatch, keep):
    spec = write_npz()
    monkeypatch.chdir(tmp_path)
    name = "npz:toy.npz" if keep == "relative" else spec
    assert load_dataset(name).name == name
    assert np.asarray(load_dataset(name).train.labels).max() == 3
