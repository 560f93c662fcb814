"""The control: the same pseudo-images for every set, learnt all the same."""

import keras
import numpy as np
import pytest
from keras import ops

import stamp_registry
from library.own_plugins import own_plugins

GROUP = "stamp_tf.set_encoders"


@pytest.fixture
def constant():
    with own_plugins():
        yield stamp_registry.load(GROUP, "constant")


def test_only_benchmarks_know_it():
    with own_plugins():
        assert "constant" in stamp_registry.names(GROUP)
    assert "constant" not in stamp_registry.names(GROUP)


def test_a_reference_with_it_is_read_by_benchmarks_alone(toy_reference, tmp_path):
    from stamp_tf.errors import StampError
    from stamp_tf.references.reference_file import load_reference, save_reference

    reference = load_reference(toy_reference)
    with own_plugins():
        control = reference.with_new_layers(
            set_encoder=("constant", {"width": 8}), mask_generator=("score", {})
        )
        save_reference(control, tmp_path / "control.npz")
        pixels = np.random.default_rng(0).integers(256, size=(2, 5, 32, 32, 3)).astype("uint8")
        loaded = load_reference(tmp_path / "control.npz")
        first, second = (loaded.propose_scores(x, normalization=loaded.normalization) for x in pixels)
    np.testing.assert_array_equal(first, second)
    with pytest.raises(StampError, match=r"control.npz has the set encoder 'constant', retired since"):
        load_reference(tmp_path / "control.npz")


def test_it_does_not_look_at_the_set(constant):
    encoder = constant(num_outputs=2)
    rng = np.random.default_rng(0)
    first = encoder(rng.normal(size=(5, 32, 32, 3)).astype("float32"))
    second = encoder(rng.normal(size=(9, 32, 32, 3)).astype("float32"))
    assert tuple(first.shape) == (2, 32, 32, 3)
    np.testing.assert_array_equal(first, second)


def test_its_pixels_are_of_order_one_and_differ(constant):
    keras.utils.set_random_seed(0)
    pixels = ops.convert_to_numpy(constant(num_outputs=2)(np.zeros((1, 32, 32, 3), "float32")))
    assert 0.3 < pixels.std() < 3
    assert np.abs(pixels[0] - pixels[1]).mean() > 0.3


def test_it_is_learnt_and_rebuilt(constant):
    encoder = constant(num_outputs=3, width=8)
    encoder.build((None, 8, 8, 1))
    assert any(variable.shape == (3, 8) for variable in encoder.trainable_variables)
    twin = constant.from_config(encoder.get_config())
    twin.build((None, 8, 8, 1))
    twin.set_weights(encoder.get_weights())
    images = np.zeros((1, 8, 8, 1), "float32")
    np.testing.assert_array_equal(encoder(images), twin(images))
