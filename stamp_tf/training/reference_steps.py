"""Compiled steps that train a reference network."""

from __future__ import annotations

from typing import Any

import keras

from stamp_tf.backend import Step, Tensor, compile_step, global_norm, value_and_gradient
from stamp_tf.channels import ChannelCut
from stamp_tf.ends import LOGITS, End
from stamp_tf.training.budget_loss import budget_loss, plain_loss
from stamp_tf.training.class_statistics import ClassStatistics
from stamp_tf.training.task_loss import TaskInputs, TaskLoss


def make_weight_optimizer(
    *, momentum: float = 0.9, weight_decay: float = 5e-4, clip_norm: float | None = None
) -> keras.optimizers.Optimizer:
    """Return SGD with Nesterov momentum that decays kernels only, and clips gradients by their global norm."""
    optimizer = keras.optimizers.SGD(
        0.1, momentum=momentum, nesterov=True, weight_decay=weight_decay, global_clipnorm=clip_norm
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def compile_plain_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, *, end: End = LOGITS
) -> Step:
    """Return `step(images, labels)`, which trains the full network.

    Args:
        model: A network of logits.
        optimizer: Built for its trainable variables.
        end: What was taken off it; says which loss fits.
    """
    weights, statistics = model.trainable_variables, model.non_trainable_variables

    def step(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        def loss(values: list[Tensor]) -> Any:
            return plain_loss(model, values, [v.value for v in statistics], images, labels, end)

        (_, (new_statistics, figures)), gradients = value_and_gradient(loss, [v.value for v in weights])
        optimizer.apply(gradients, weights)
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    return compile_step(step, [*weights, *statistics, *optimizer.variables])


def compile_budget_step(
    model: keras.Model,
    scores: keras.Variable,
    cut: ChannelCut,
    optimizer: keras.optimizers.Optimizer,
    score_optimizer: keras.optimizers.Optimizer,
) -> Step:
    """Return `step(images, labels, limits, uniform)`, which trains the full and one masked network."""
    weights, statistics = model.trainable_variables, model.non_trainable_variables

    def step(images: Tensor, labels: Tensor, limits: Tensor, uniform: Tensor) -> dict[str, Tensor]:
        def loss(values: list[Tensor]) -> Any:
            return budget_loss(
                model,
                cut,
                values[:-1],
                values[-1],
                [v.value for v in statistics],
                images,
                labels,
                limits,
                uniform,
            )

        values = [v.value for v in (*weights, scores)]
        (_, (new_statistics, figures)), gradients = value_and_gradient(loss, values)
        optimizer.apply(gradients[:-1], weights)
        score_optimizer.apply(gradients[-1:], [scores])
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    return compile_step(
        step, [*weights, scores, *statistics, *optimizer.variables, *score_optimizer.variables]
    )


def compile_task_step(
    loss: TaskLoss,
    scores: keras.Variable,
    class_statistics: ClassStatistics,
    optimizer: keras.optimizers.Optimizer,
    score_optimizer: keras.optimizers.Optimizer,
    generator_optimizer: keras.optimizers.Optimizer,
) -> Step:
    """Return a step that trains the full network, and a masked one with a mask made for a task.

    It is called as `step(images, labels, task_images, task_labels, classes, limits, uniform)`.
    """
    generator = loss.mask_generator
    weights, statistics = loss.model.trainable_variables, loss.model.non_trainable_variables
    num_weights = len(weights)

    def step(
        images: Tensor,
        labels: Tensor,
        task_images: Tensor,
        task_labels: Tensor,
        classes: Tensor,
        limits: Tensor,
        uniform: Tensor,
    ) -> dict[str, Tensor]:
        sketch, sketch_classes = class_statistics.sketch()
        # What a task is compared with moves with the weights.
        generator.learn_reference(sketch, sketch_classes)
        task = TaskInputs(task_images, task_labels, classes, limits, uniform)

        def of_values(values: list[Tensor]) -> Any:
            return loss(
                values[:num_weights],
                values[num_weights],
                values[num_weights + 1 :],
                [v.value for v in statistics],
                images,
                labels,
                task=task,
                sketch=sketch,
                sketch_classes=sketch_classes,
            )

        values = [v.value for v in (*weights, scores, *generator.trainable_variables)]
        (_, (new_statistics, pooled, figures)), gradients = value_and_gradient(of_values, values)
        optimizer.apply(gradients[:num_weights], weights)
        score_optimizer.apply(gradients[num_weights : num_weights + 1], [scores])
        generator_optimizer.apply(gradients[num_weights + 1 :], generator.trainable_variables)
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        class_statistics.update(pooled, labels)
        return figures | {"gradient_norm": global_norm(gradients)}

    changing = [scores, *generator.variables, *class_statistics.variables]
    optimizers = (optimizer, score_optimizer, generator_optimizer)
    return compile_step(
        step, [*weights, *statistics, *changing, *(v for each in optimizers for v in each.variables)]
    )
