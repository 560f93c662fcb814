"""One outer step, compiled and distributed over tasks (TensorFlow)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from stamp_tf.meta.inner_loop import task_gradient
from stamp_tf.meta.objective import StampObjective

MetaStep = Callable[..., dict[str, Any]]


def make_strategy(replicas: int) -> tf.distribute.Strategy:
    """Return a strategy over so many devices: GPUs where there are enough, else logical CPUs.

    Args:
        replicas: Number of devices; 1 needs no strategy to speak of.

    Raises:
        ValueError: If logical devices can no longer be made because TensorFlow has started.
    """
    if replicas == 1:
        return tf.distribute.get_strategy()
    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) >= replicas:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus[:replicas]])
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(replicas)])


def prepare_replicas(replicas: int) -> None:
    """Split the CPU into logical devices when there are fewer GPUs; call before TensorFlow starts."""
    if replicas > 1 and len(tf.config.list_physical_devices("GPU")) < replicas:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)


def compile_meta_step(
    objective: StampObjective,
    optimizers: Sequence[keras.optimizers.Optimizer],
    *,
    inner_rates: Sequence[float],
    strategy: tf.distribute.Strategy | None = None,
    xla: bool = False,
) -> MetaStep:
    """Compile `step(images, labels, uniform, limits) -> figures`.

    The N tasks are shared out: replica k takes tasks k, k + R, k + 2R, ... one after the other. Gradients are
    summed over tasks and replicas, statistics averaged; then each part of phi takes one step of its optimizer.

    Args:
        objective: The loss.
        optimizers: For the weights, the mask generator and the set encoder; built.
        inner_rates: Inner learning rate of each tensor of phi.
        strategy: Where the tasks run; the default is this device.
        xla: Compile with XLA.

    Returns:
        The step. It takes images float32 `[N, S, b, H, W, D]`, labels int32 `[N, S, b]`, uniform numbers
        `[N, S, 2, C]`, limits `[N, 2]`.
    """
    strategy = strategy or tf.distribute.get_strategy()
    variables, statistics = objective.variables, objective.statistics
    names = ("loss", "prior", "accuracy", "keep_ratio")

    def on_replica(images: tf.Tensor, labels: tf.Tensor, uniform: tf.Tensor, limits: tf.Tensor) -> Any:
        context = tf.distribute.get_replica_context()
        num_tasks = tf.shape(images)[0]
        phi = [tf.convert_to_tensor(variable.value) for variable in variables]
        current = [tf.convert_to_tensor(variable.value) for variable in statistics]

        def add_task(task: tf.Tensor, sums: Any) -> Any:
            gradients, new, figures = task_gradient(
                objective,
                phi,
                current,
                images[task],
                labels[task],
                uniform[task],
                limits[task],
                rates=inner_rates,
            )
            fresh = (gradients, new, [tf.cast(figures[name], "float32") for name in names])
            return task + context.num_replicas_in_sync, tf.nest.map_structure(tf.add, sums, fresh)

        zeros = (
            [tf.zeros_like(value) for value in phi],
            [tf.zeros_like(value) for value in current],
            [tf.zeros(()) for _ in names],
        )
        first = tf.cast(context.replica_id_in_sync_group, "int32")
        _, sums = tf.while_loop(
            lambda task, _: task < num_tasks, add_task, (first, zeros), parallel_iterations=1
        )
        return sums

    @tf.function(reduce_retracing=True, jit_compile=xla, autograph=False)
    def step(
        images: tf.Tensor, labels: tf.Tensor, uniform: tf.Tensor, limits: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        sums = strategy.run(on_replica, args=(images, labels, uniform, limits))
        sums = tf.nest.map_structure(lambda value: strategy.reduce("SUM", value, axis=None), sums)
        gradients, new_statistics, figures = sums
        count = tf.cast(tf.shape(images)[0], "float32")
        parts = zip(
            optimizers, objective.parts.split(gradients), objective.parts.split(variables), strict=True
        )
        for optimizer, part, part_variables in parts:
            optimizer.apply(part, part_variables)
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value / tf.cast(count, value.dtype))
        return {name: value / count for name, value in zip(names, figures, strict=True)}

    return step
