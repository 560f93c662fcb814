"""Characters and signs that are drawn here."""

import sys

import numpy as np
import pytest

from stamp_tf.data import load_dataset
from stamp_tf.data.drawing import CLASSES, FORMS, draw
from stamp_tf.data.rendered import rendered
from stamp_tf.errors import StampError


@pytest.fixture(scope="module")
def few():
    return load_dataset("rendered:2", image_shape=(16, 16, 3))


def test_every_class_has_its_images_and_no_name_twice(few) -> None:
    assert few.train.class_names == CLASSES
    assert len(set(CLASSES)) == 100
    np.testing.assert_array_equal(np.bincount(few.train.labels), 2)
    np.testing.assert_array_equal(np.bincount(few.test.labels), 2)
    assert few.train.images.shape == (200, 16, 16, 3)
    assert not few.flips


def test_a_seed_gives_the_same_images_and_another_one_others(few) -> None:
    again = load_dataset("rendered:2", image_shape=(16, 16, 3))
    np.testing.assert_array_equal(again.train.images, few.train.images)
    assert not {image.tobytes() for image in few.train.images} & {
        image.tobytes() for image in few.test.images
    }
    other = load_dataset("rendered:2", image_shape=(16, 16, 3), seed=1)
    assert (other.train.images != few.train.images).any(axis=(1, 2, 3)).all()


def test_gray_images_may_be_asked_for() -> None:
    assert load_dataset("rendered:2", image_shape=(8, 12, 1)).test.images.shape == (200, 8, 12, 1)


def test_a_sign_has_the_colours_of_its_form(tmp_path) -> None:
    def middle(name: str) -> np.ndarray:
        pictures = [
            draw(name, (32, 32), fonts=(tmp_path,), rng=np.random.default_rng(seed)) for seed in range(20)
        ]
        return np.mean(pictures, axis=0)[12:20, 12:20].mean((0, 1))

    colours = {form: middle(f"{form} nothing") for form in FORMS}
    for form in ("stop", "order", "priority"):
        face = FORMS[form].face
        order = np.argsort(face)
        assert np.argmax(colours[form]) == order[-1], form
        assert np.argmin(colours[form]) in order[:2], form
    # The bar is darker than the face that it stands on.
    assert middle("ban bar").mean() < colours["ban"].mean() - 20


@pytest.mark.parametrize("argument", ["many", "1", "-3", "2.5", "1000000"])
def test_what_is_no_number_of_images_is_refused(argument: str) -> None:
    with pytest.raises(
        StampError, match=r"`?--dataset`? rendered must be followed by how many .*'" + argument
    ):
        load_dataset(f"rendered:{argument}")


def test_missing_fonts_are_named(monkeypatch) -> None:
    from stamp_tf.data.load_options import LoadOptions

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        StampError, match=r"fonts of matplotlib, which is missing; pip install 'stamp-tf\[fonts\]'"
    ):
        rendered("2", LoadOptions())
