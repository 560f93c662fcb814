"""What authors do to pixels, within the network."""

from types import ModuleType

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.references.pixels.scale import find_scale
from stamp_tf.references.pretrained.preprocessing import with_preprocessing

SHAPE = (12, 10, 3)
MODULES = [
    module
    for module in vars(keras.applications).values()
    if isinstance(module, ModuleType) and hasattr(module, "preprocess_input")
]


def network() -> keras.Model:
    """One that pads first, as ResNets do, so that a shift cannot go into a bias."""
    image = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, name="stem")(layers.ZeroPadding2D(2)(image))
    return keras.Model(image, layers.Dense(5)(layers.Flatten()(x)), name="toy")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_it_computes_what_preprocess_input_and_the_network_do(module: ModuleType) -> None:
    model = network()
    pixels = np.random.default_rng(0).integers(0, 256, (3, *SHAPE)).astype("float32")
    expected = np.asarray(model(module.preprocess_input(pixels.copy())))
    whole = with_preprocessing(model, module.preprocess_input, image_shape=SHAPE)
    np.testing.assert_allclose(whole(pixels), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert find_scale(whole).pixels in ("0:255", None)


def test_networks_that_scale_their_pixels_themselves_are_left_alone() -> None:
    model = with_preprocessing(network(), keras.applications.efficientnet.preprocess_input, image_shape=SHAPE)
    assert not any(isinstance(layer, layers.Rescaling) for layer in model.layers)


def test_the_scale_is_known_for_certain() -> None:
    for name in ("mobilenet_v2", "resnet", "densenet"):
        preprocess = getattr(keras.applications, name).preprocess_input
        found = find_scale(with_preprocessing(network(), preprocess, image_shape=SHAPE))
        assert (found.pixels, found.is_certain, found.rivals) == ("0:255", True, ())


def test_depths_that_are_mixed_are_refused() -> None:
    with pytest.raises(StampError, match=r"of toy must scale, shift and reorder .* but it mixes them"):
        with_preprocessing(network(), lambda images: images @ np.full((3, 3), 0.3), image_shape=SHAPE)


def test_what_takes_any_size_gets_one() -> None:
    image = keras.Input((None, None, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    model = with_preprocessing(keras.Model(image, pooled), None, image_shape=SHAPE)
    assert model.input_shape == (None, *SHAPE)
