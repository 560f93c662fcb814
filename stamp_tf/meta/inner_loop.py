"""The inner loop of first-order MAML on fast weights (Algorithm 1, lines 4-6)."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from stamp_tf.backend import value_and_gradient
from stamp_tf.meta.adam import adam_step
from stamp_tf.meta.objective import StampObjective
from stamp_tf.tensor import Tensor


def task_gradient(
    objective: StampObjective,
    phi: Sequence[Tensor],
    statistics: Sequence[Tensor],
    *,
    images: Tensor,
    labels: Tensor,
    uniform: Tensor,
    limits: Tensor,
    rates: Sequence[float],
) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
    """Adapt phi to one task and return the gradient of its last mini-batch there.

    Nothing is assigned: phi goes in and a gradient comes out, so tasks can run anywhere in any order.

    Args:
        objective: The loss.
        phi: Flat values of W, pi, theta.
        statistics: Values of the backbone's statistics.
        images: The task's mini-batches, float32 `[S, b, H, W, D]`; all of them together are its set.
        labels: int32 `[S, b]`.
        uniform: Numbers in (0, 1), `[S, 2, C]`.
        limits: Limits on (parameters, FLOPs), `[2]`.
        rates: Inner learning rate of each tensor of phi.

    Returns:
        The gradient with respect to the adapted phi, the statistics after the last mini-batch, and its figures.

    Source:
        Song et al. 2020, Eq. 4; Finn et al. 2017 (first-order MAML).
    """
    num_batches, batch_size = images.shape[0], images.shape[1]
    set_images = ops.reshape(images, (num_batches * batch_size, *images.shape[2:]))

    def at(values: Sequence[Tensor], statistics: Sequence[Tensor], index: Any) -> Any:
        def loss(values: list[Tensor]) -> Any:
            return objective(
                values,
                statistics,
                ops.take(images, index, axis=0),
                labels=ops.take(labels, index, axis=0),
                set_images=set_images,
                uniform=ops.take(uniform, index, axis=0),
                limits=limits,
                num_examples=num_batches * batch_size,
            )

        return value_and_gradient(loss, list(values))

    def adapt(step: Tensor, state: Any) -> Any:
        values, means, squares, statistics = state
        (_, (statistics, _)), gradients = at(values, statistics, step)
        values, means, squares = adam_step(
            values, gradients, means=means, squares=squares, step=step, rates=rates
        )
        return values, means, squares, statistics

    zeros = [ops.zeros_like(value) for value in phi]
    state = (list(phi), zeros, list(zeros), list(statistics))
    if num_batches > 1:
        state = ops.fori_loop(0, num_batches - 1, adapt, state)
    values, _, _, statistics = state
    (_, (statistics, figures)), gradients = at(values, statistics, num_batches - 1)
    return list(gradients), list(statistics), figures
