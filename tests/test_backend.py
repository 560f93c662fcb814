"""Value and gradient of a pure function."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.backend import compile_step, value_and_gradient


def test_value_extra_and_gradient() -> None:
    def function(values: list[tf.Tensor]) -> tuple[tf.Tensor, str]:
        return tf.reduce_sum(values[0] ** 2 * values[1]), "extra"

    (value, extra), (first, second) = value_and_gradient(
        function, [tf.constant([1.0, 3.0]), tf.constant(2.0)]
    )
    assert float(value) == 20
    assert extra == "extra"
    np.testing.assert_array_equal(first, [4, 12])
    assert float(second) == 10


def test_what_is_not_used_has_a_gradient_of_zero() -> None:
    _, (_, unused) = value_and_gradient(
        lambda v: (v[0] ** 2, None), [tf.constant(1.0), tf.constant([5.0, 6.0])]
    )
    np.testing.assert_array_equal(unused, [0, 0])


def test_variables_that_are_not_values_are_not_watched() -> None:
    variable = keras.Variable(3.0)
    (value, _), (gradient,) = value_and_gradient(lambda v: (v[0] * variable.value, None), [tf.constant(2.0)])
    assert float(value) == 6
    assert float(gradient) == 3


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(NotImplementedError, match="but the Keras backend is torch"):
        value_and_gradient(lambda v: (v[0], None), [tf.constant(1.0)])
    with pytest.raises(
        NotImplementedError, match="trains on TensorFlow and JAX, but the Keras backend is torch"
    ):
        compile_step(lambda: {}, [])
