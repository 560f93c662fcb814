"""One outer step, compiled; on TensorFlow its tasks may be distributed over devices."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from stamp_tf.backend import Step, compile_step, global_norm, one_by_one
from stamp_tf.errors import StampError
from stamp_tf.meta.inner_loop import task_gradient
from stamp_tf.meta.objective import StampObjective
from stamp_tf.tensor import Tensor
from stamp_tf.workers import ALONE, Workers

if TYPE_CHECKING:
    import tensorflow as tf

_FIGURES = ("loss", "prior", "accuracy", "keep_ratio")


def make_strategy(replicas: int) -> tf.distribute.Strategy | None:
    """Return a strategy over so many devices: GPUs where there are enough, else logical CPUs.

    Args:
        replicas: Number of devices; 1 needs no strategy to speak of.

    Returns:
        The strategy; None on a backend other than TensorFlow.

    Raises:
        StampError: If another backend is asked for more than one device.
        ValueError: If logical devices can no longer be made because TensorFlow has started.
    """
    if keras.backend.backend() != "tensorflow":
        if replicas > 1:
            raise StampError(
                f"`replicas` must be 1 on {keras.backend.backend()}, but is {replicas}; leave it out, or set "
                "KERAS_BACKEND=tensorflow."
            )
        return None
    import tensorflow as tf

    if replicas == 1:
        return tf.distribute.get_strategy()
    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) >= replicas:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus[:replicas]])
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(replicas)])


def prepare_replicas(replicas: int) -> None:
    """Split the CPU into logical devices when there are fewer GPUs; call before TensorFlow starts."""
    if replicas == 1 or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if len(tf.config.list_physical_devices("GPU")) < replicas:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)


def compile_meta_step(
    objective: StampObjective,
    optimizers: Sequence[keras.optimizers.Optimizer],
    *,
    inner_rates: Sequence[float],
    strategy: tf.distribute.Strategy | None = None,
    workers: Workers = ALONE,
    xla: bool = False,
) -> Step:
    """Compile `step(images, labels, uniform, limits) -> figures`.

    The N tasks are shared out: replica i takes tasks i, i + R, i + 2R, ... one after the other. Gradients are
    summed over tasks and replicas, statistics averaged; then each part of phi takes one step of its optimizer.

    Args:
        objective: The loss.
        optimizers: For the weights, the mask generator and the set encoder; built.
        inner_rates: Inner learning rate of each tensor of phi.
        strategy: Where the tasks run; the default is this device, which JAX always takes.
        workers: Who take a step together, each with as many of the tasks.
        xla: Compile with XLA on TensorFlow; JAX always does.

    Returns:
        The step. It takes images float32 `[N, S, b, H, W, D]`, labels int32 `[N, S, b]`, uniform numbers
        `[N, S, 2, C]`, limits `[N, 2]`.
    """
    variables, statistics = objective.variables, objective.statistics

    def sum_tasks(
        first: Tensor, stride: Tensor, images: Tensor, labels: Tensor, uniform: Tensor, limits: Tensor
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        # Copies are read once, where variables would be read again by every task.
        phi = [ops.copy(variable.value) for variable in variables]
        current = [ops.copy(variable.value) for variable in statistics]

        def add_task(task: Tensor, sums: Any) -> Any:
            gradients, new, figures = task_gradient(
                objective,
                phi,
                current,
                images=images[task],
                labels=labels[task],
                uniform=uniform[task],
                limits=limits[task],
                rates=inner_rates,
            )
            fresh = (gradients, new, [ops.cast(figures[name], "float32") for name in _FIGURES])
            return keras.tree.map_structure(operator.add, sums, fresh)

        zeros = (
            [ops.zeros_like(value) for value in phi],
            [ops.zeros_like(value) for value in current],
            [ops.zeros((), "float32") for _ in _FIGURES],
        )
        return one_by_one(add_task, zeros, first=first, stop=ops.shape(images)[0], stride=stride)

    def step(images: Tensor, labels: Tensor, uniform: Tensor, limits: Tensor) -> dict[str, Tensor]:
        sums = _over_replicas(strategy, sum_tasks, (images, labels, uniform, limits))
        gradients, new_statistics, figures = workers.mean(sums)
        if workers.number > 1:
            gradients = [gradient * workers.number for gradient in gradients]
        count = ops.cast(ops.shape(images)[0], "float32")
        parts = zip(
            optimizers, objective.parts.split(gradients), objective.parts.split(variables), strict=True
        )
        for optimizer, part, part_variables in parts:
            optimizer.apply(part, part_variables)
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value / ops.cast(count, value.dtype))
        means = {name: value / count for name, value in zip(_FIGURES, figures, strict=True)}
        return means | {"gradient_norm": global_norm(gradients)}

    states = [variable for optimizer in optimizers for variable in optimizer.variables]
    return compile_step(step, [*variables, *statistics, *states], xla=xla, workers=workers)


def _over_replicas(
    strategy: tf.distribute.Strategy | None, sum_tasks: Callable[..., Any], tasks: Sequence[Tensor]
) -> Any:
    """Return the sum over all tasks: `sum_tasks(first, stride, *tasks)` summed over the replicas."""
    if keras.backend.backend() != "tensorflow":
        return sum_tasks(0, 1, *tasks)
    import tensorflow as tf

    strategy = strategy or tf.distribute.get_strategy()

    def on_replica(*tasks: tf.Tensor) -> Any:
        context = tf.distribute.get_replica_context()
        first = tf.cast(context.replica_id_in_sync_group, "int32")
        return sum_tasks(first, context.num_replicas_in_sync, *tasks)

    sums = strategy.run(on_replica, args=tuple(tasks))
    return tf.nest.map_structure(lambda value: strategy.reduce("SUM", value, axis=None), sums)
