"""The layer of Deep Sets against its equation."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from stamp_tf.layers.permutation_equivariant import PermutationEquivariant


@pytest.mark.parametrize(("pooling", "pool"), [("mean", np.mean), ("max", np.max)])
def test_it_computes_its_equation(pooling: str, pool: Callable[..., np.ndarray]) -> None:
    layer = PermutationEquivariant(4, pooling, activation="relu", dtype="float64")
    elements = np.random.default_rng(0).normal(size=(2, 7, 3))
    result = layer(elements)
    own = elements @ np.asarray(layer.element_projection.kernel) + np.asarray(layer.element_projection.bias)
    common = pool(elements, 1, keepdims=True) @ np.asarray(layer.set_projection.kernel)
    np.testing.assert_allclose(result, np.maximum(own - common, 0), atol=1e-12)


def test_reordering_the_set_reorders_the_result() -> None:
    layer = PermutationEquivariant(4, dtype="float64")
    elements, order = np.random.default_rng(0).normal(size=(7, 3)), np.random.default_rng(1).permutation(7)
    np.testing.assert_allclose(layer(elements[order]), np.asarray(layer(elements))[order], atol=1e-12)


def test_configuration_rebuilds_the_layer() -> None:
    layer = PermutationEquivariant(4, "max", activation="relu")
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert rebuilt.get_config() == layer.get_config()


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="pooling must be one of mean, max, but it is 'median'"):
        PermutationEquivariant(4, "median")
