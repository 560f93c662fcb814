"""Labels follow the names of the classes, wherever they come from."""

import dataclasses
import unicodedata

import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet, load_dataset, with_classes
from stamp_tf.errors import StampError

ANIMALS = ("cat", "dog", "eel")


def named(names, *, labels=None) -> DataSet:
    """A set of one image per class, whose pixels tell its name."""
    labels = np.arange(len(names), dtype=np.int32) if labels is None else labels
    images = np.stack([np.full((4, 4, 3), len(names[label]) % 256, np.uint8) for label in labels])
    part = ImageSet(images, labels, len(names), class_names=tuple(names))
    return DataSet("pets", part, part)


def pairs(part) -> set[tuple[int, int]]:
    """(first pixel, label) of every image."""
    images, labels = next(part.raw_batches(len(part), order_seed=None, drop_remainder=False))
    return {(int(image.flat[0]), int(label)) for image, label in zip(images, labels, strict=True)}


def test_the_same_names_in_another_order_get_the_labels_of_the_network():
    mapped = with_classes(named(("dog", "elephant", "cat")), ("elephant", "cat", "dog"))
    assert mapped.class_names == ("elephant", "cat", "dog")
    assert mapped.test.labels.tolist() == [2, 0, 1]
    assert mapped.test.labels.dtype == np.int32


def test_the_same_order_is_the_same_data_set():
    dataset = named(ANIMALS)
    assert with_classes(dataset, list(ANIMALS)) is dataset


def test_numbers_are_names_and_not_sorted_as_letters():
    numbers = tuple(str(number) for number in range(12))
    mapped = with_classes(named(tuple(sorted(numbers))), numbers)
    assert mapped.test.labels.tolist() == [int(number) for number in sorted(numbers)]


def test_both_unicode_forms_of_a_name_are_one_class():
    forms = [unicodedata.normalize(form, "käfer") for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    mapped = with_classes(named((forms[1], "ant")), ("ant", forms[0]))
    assert mapped.test.labels.tolist() == [1, 0]


@pytest.mark.parametrize("stream_above", [0, 2**30])
def test_streamed_images_are_mapped_as_those_in_memory(write_folder, stream_above):
    root = write_folder(("a", "b", "c"), per_class=5)
    plain = load_dataset(f"folder:{root}", stream_above=stream_above)
    mapped = with_classes(plain, ("c", "a", "b"))
    assert pairs(mapped.train) == {(pixel, (label + 1) % 3) for pixel, label in pairs(plain.train)}
    subset = mapped.train.subset(6, seed=0)
    assert np.bincount(subset.labels).tolist() == [2, 2, 2]


def test_both_lists_of_differences_are_in_the_message():
    with pytest.raises(StampError) as error:
        with_classes(named(("cat", "cow", "gnu")), ANIMALS)
    assert "must have the 3 classes of the network" in str(error.value)
    assert "'dog' and 'eel' are missing and 'cow' and 'gnu' are none of them" in str(error.value)


def test_a_long_list_is_cut():
    network = tuple(f"class {number} {'x' * 100}" for number in range(1000))
    with pytest.raises(StampError, match="and 995 more are missing") as error:
        with_classes(named(ANIMALS), network)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Dog", "dog"), (" dog", "dog"), ("d.o-g", "dog"), ("sea_horse", "sea horse"), ("01", "1")],
)
def test_names_that_differ_in_case_or_signs_are_refused_with_a_hint(name, meant):
    with pytest.raises(StampError, match=f"did you mean '{meant}' for '{name}'"):
        with_classes(named(("cat", name)), ("cat", meant), allow_subset=True)


def test_a_subset_is_for_those_who_allow_it():
    dataset = named(("eel", "cat"))
    with pytest.raises(StampError, match="'dog' is missing"):
        with_classes(dataset, ANIMALS)
    mapped = with_classes(dataset, ANIMALS, allow_subset=True)
    assert mapped.class_names == ANIMALS
    assert (mapped.num_classes, mapped.test.labels.tolist()) == (3, [2, 0])


def test_a_class_that_the_network_does_not_know_is_no_subset():
    with pytest.raises(StampError, match="or some of them, but has 4: 'gnu' is none of them"):
        with_classes(named((*ANIMALS, "gnu")), ANIMALS, allow_subset=True)


def test_numbers_never_stand_for_names():
    """Whoever numbered the classes may have had another order in mind."""
    with pytest.raises(StampError, match=r"its 3 classes are only numbered .*name them"):
        with_classes(named(("0", "1", "2")), ANIMALS)
    with pytest.raises(
        StampError, match=r"which are only numbered .*which number is which class is not known"
    ):
        with_classes(named(ANIMALS), ("0", "1", "2"), allow_subset=True)


@pytest.mark.parametrize("names", [("cat", "cat", "dog"), ("\u00e4", "a\u0308", "dog")])
def test_two_classes_of_one_name_are_refused(names):
    with pytest.raises(StampError, match="must have different class names"):
        named(names)


def test_the_data_set_that_was_given_is_not_changed():
    dataset = named(("dog", "cat"))
    with_classes(dataset, ("cat", "dog"))
    assert dataset.test.labels.tolist() == [0, 1]
    assert dataclasses.astuple(dataset)[0] == "pets"


def test_fewer_numbers_are_no_subset():
    """Classes without names have nothing but their count to speak for them."""
    numbers = tuple(str(number) for number in range(5))
    with pytest.raises(
        StampError, match="must have the 5 classes of the network, but has 3: '3' and '4' are missing"
    ):
        with_classes(named(numbers[:3]), numbers, allow_subset=True)
    assert with_classes(named(("3", "4")), numbers, allow_subset=True).test.labels.tolist() == [3, 4]
