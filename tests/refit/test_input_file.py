"""Files of inputs: what is wrong with one is said of `inputs`."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.refit.input_file import read_inputs


@pytest.fixture
def model() -> keras.Model:
    image = keras.Input((4,), name="features")
    return keras.Model(image, layers.Dense(2)(image))


def test_an_array_by_the_name_of_the_input_comes_first(model: keras.Model, tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", x=np.zeros((3, 4)), features=np.ones((3, 4)))
    np.testing.assert_array_equal(read_inputs(tmp_path / "some.npz", model), np.ones((3, 4)))


def test_a_file_that_is_none_is_named_with_its_argument(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("nothing")
    for name, fault in (("none", "must be a file"), ("text", "must be an .npz file")):
        with pytest.raises(StampError, match=rf"^inputs=\S+{name}.npz\S* {fault}"):
            read_inputs(tmp_path / f"{name}.npz", model)


def test_a_file_that_memory_does_not_hold(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "large.npz", x=np.zeros((1000, 4)))
    monkeypatch.setattr("stamp_tf.data.npz_file.usable_memory", lambda: 1000)
    with pytest.raises(StampError, match="are allowed here; save some hundreds of examples"):
        read_inputs(tmp_path / "large.npz", model)
