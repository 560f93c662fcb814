"""Adam as a pure function, for fast weights that belong to no variable."""

from collections.abc import Sequence

from keras import ops

from stamp_tf.tensor import Tensor


def adam_step(
    values: Sequence[Tensor],
    gradients: Sequence[Tensor],
    *,
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    step: Tensor,
    rates: Sequence[float],
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Take one step of Adam.

    Args:
        values: Parameters.
        gradients: One for each.
        means: Running means of the gradients, zeros at first.
        squares: Running means of their squares, zeros at first.
        step: Number of this step, from 0.
        rates: Learning rate of each parameter.
        beta_1: Decay of the means.
        beta_2: Decay of the squares.
        epsilon: Added to the root.

    Returns:
        New values, means and squares.

    Source:
        Kingma & Ba 2015, in the form at the end of its section 2, as Keras has it.
    """
    count = ops.cast(step, values[0].dtype) + 1
    correction = ops.sqrt(1 - beta_2**count) / (1 - beta_1**count)
    means = [mean + (gradient - mean) * (1 - beta_1) for mean, gradient in zip(means, gradients, strict=True)]
    squares = [
        square + (ops.square(gradient) - square) * (1 - beta_2)
        for square, gradient in zip(squares, gradients, strict=True)
    ]
    values = [
        value - rate * correction * mean / (ops.sqrt(square) + epsilon)
        for value, mean, square, rate in zip(values, means, squares, rates, strict=True)
    ]
    return values, means, squares
