"""Special functions against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from stamp_tf.layers.special import digamma, log_gamma

ARGUMENTS = np.concatenate([np.geomspace(1e-6, 1e4, 400), [1.0, 2.0, 0.5, 7.99, 8.0]])


@pytest.mark.parametrize(("ours", "theirs"), [(log_gamma, special.gammaln), (digamma, special.digamma)])
def test_values(ours, theirs) -> None:
    np.testing.assert_allclose(ours(tf.constant(ARGUMENTS)), theirs(ARGUMENTS), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("ours", "theirs"), [(log_gamma, special.gammaln), (digamma, special.digamma)])
def test_values_in_single_precision(ours, theirs) -> None:
    values = ours(tf.constant(ARGUMENTS, "float32"))
    assert values.dtype == tf.float32
    np.testing.assert_allclose(
        values, theirs(ARGUMENTS.astype("float32").astype(float)), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("ours", "derivative"), [(log_gamma, special.digamma), (digamma, lambda x: special.polygamma(1, x))]
)
def test_derivatives(ours, derivative) -> None:
    x = tf.constant(ARGUMENTS[ARGUMENTS > 1e-3])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ours(x)
    np.testing.assert_allclose(tape.gradient(y, x), derivative(x.numpy()), rtol=1e-8, atol=1e-9)
