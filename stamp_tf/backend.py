"""What TensorFlow and JAX do differently below a training step: gradients, loops, kernels, compilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import keras
from keras import ops

from stamp_tf.tensor import Tensor
from stamp_tf.workers import ALONE, Workers

Step = Callable[..., dict[str, Any]]
Result = TypeVar("Result")


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
    if _backend() == "jax":
        import jax

        return jax.value_and_grad(function, has_aux=True)(values)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss, extra = function(values)
    return (loss, extra), tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def global_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the root of the sum of all squares, a scalar: not finite where one of the values is not.

    Args:
        tensors: Of any shapes, such as gradients; one at least.
    """
    if _backend() == "jax":
        return ops.sqrt(sum(ops.vdot(tensor, tensor) for tensor in tensors))
    import tensorflow as tf

    # One kernel a tensor; squares and sums apart would be two, and a copy.
    return tf.linalg.global_norm(list(tensors))


def one_by_one(
    body: Callable[[Tensor, Any], Any], state: Any, *, first: Tensor, stop: Tensor, stride: Tensor
) -> Any:
    """Return `body(index, state)` carried on over first, first + stride, ... below stop.

    TensorFlow would begin up to ten iterations at once where they do not wait for each other, and hold the
    activations of all.

    Args:
        body: From an index, int32, and a state to the next state of the same structure.
        state: The first one; nested tensors.
        first: The first index.
        stop: Where to end.
        stride: From one index to the next.
    """

    def goes_on(index: Tensor, _: Any) -> Tensor:
        return index < stop

    def advance(index: Tensor, state: Any) -> tuple[Tensor, Any]:
        return index + stride, body(index, state)

    if _backend() == "jax":
        return ops.while_loop(goes_on, advance, (first, state))[1]
    import tensorflow as tf

    return tf.while_loop(goes_on, advance, (first, state), parallel_iterations=1)[1]


def has_fused_batch_norm(dtype: str) -> bool:
    """Return whether `fused_batch_norm` computes numbers of a type; XLA fuses by itself, so that JAX needs none."""
    return _backend() == "tensorflow" and dtype in ("float32", "bfloat16", "float16")


def fused_batch_norm(
    inputs: Tensor, *, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise images by their own statistics, in one kernel forth and one back.

    Args:
        inputs: `[B, H, W, C]`, of a type that `has_fused_batch_norm`.
        scale: float32 `[C]`.
        offset: float32 `[C]`.
        epsilon: Added to the variance.

    Returns:
        What was normalised, in the type of the inputs; mean and variance of each channel, float32 `[C]`, which no
        gradient passes.
    """
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    # The kernel's variance is the unbiased one, Keras goes on with that of the batch.
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
    return outputs, tf.stop_gradient(mean), tf.stop_gradient(variance * (count - 1) / count)


def compile_step(
    step: Callable[..., Result],
    variables: Sequence[keras.Variable],
    *,
    xla: bool = False,
    workers: Workers = ALONE,
) -> Callable[..., Result]:
    """Compile a step that reads and assigns variables.

    Args:
        step: From arrays to figures.
        variables: All that it assigns, and all that change between two calls, learning rates included. JAX
            compiles pure functions: there they go in and come out as values, and are assigned behind the step.
        xla: Compile with XLA on TensorFlow; JAX always does.
        workers: Whose means it takes.

    Raises:
        NotImplementedError: On a backend other than TensorFlow and JAX.
    """
    if _backend() == "jax":

        def pure(values: list[Tensor], inputs: Any) -> tuple[list[Tensor], Result]:
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
                figures = step(*inputs)
            return [scope.get_current_value(variable) for variable in variables], figures

        pure_step = workers.compile(pure)

        def compiled(*inputs: Any) -> Result:
            values, figures = pure_step([variable.value for variable in variables], inputs)
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            return figures

        return compiled
    import tensorflow as tf

    return tf.function(step, reduce_retracing=True, jit_compile=xla, autograph=False)


def _backend() -> str:
    """Return the name of Keras' backend.

    Raises:
        NotImplementedError: If it is neither of the two.
    """
    name = keras.backend.backend()
    if name not in ("tensorflow", "jax"):
        raise NotImplementedError(
            f"stamp_tf trains on TensorFlow and JAX, but the Keras backend is {name}; set KERAS_BACKEND."
        )
    return name
