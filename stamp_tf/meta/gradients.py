"""Value and gradient of a pure function: the one step that TensorFlow and JAX do differently."""

from collections.abc import Callable
from typing import Any

import keras

Tensor = Any


def value_and_gradient(
    function: Callable[[list[Tensor]], tuple[Tensor, Any]], values: list[Tensor]
) -> tuple[tuple[Tensor, Any], list[Tensor]]:
    """Differentiate a function that returns a scalar and something besides.

    Args:
        function: From a list of tensors to (scalar, anything).
        values: Where to evaluate it.

    Returns:
        What the function returned, and the gradient of the scalar with respect to each value; zeros where the
        function does not use it.

    Raises:
        NotImplementedError: On a backend other than TensorFlow and JAX.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss, extra = function(values)
        return (loss, extra), tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    if backend == "jax":
        import jax

        return jax.value_and_grad(function, has_aux=True)(values)
    raise NotImplementedError(
        f"stamp_tf differentiates on TensorFlow and JAX, but the Keras backend is {backend}."
    )
