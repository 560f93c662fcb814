"""Masked and sliced networks of every architecture agree to the last digits."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def floatx() -> str:
    return "float64"


def test_masked_and_sliced_networks_agree_in_float64(architecture) -> None:
    assert architecture.smaller.count_params() < 0.6 * architecture.model.count_params()
    sliced = np.asarray(architecture.smaller(architecture.images, training=False))
    assert sliced.dtype == "float64"
    tolerance = 1e-9 * architecture.masked.std()
    np.testing.assert_allclose(sliced, architecture.masked, atol=tolerance, rtol=0)
