"""Compiled steps that train a reference network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from stamp_tf.backend import Step, compile_step, global_norm, value_and_gradient
from stamp_tf.channels import ChannelCut
from stamp_tf.ends import LOGITS, End
from stamp_tf.tensor import Tensor
from stamp_tf.training.budget_loss import BudgetLoss, budget_loss, plain_loss
from stamp_tf.training.held_weights import HeldWeights
from stamp_tf.training.teacher import Teacher
from stamp_tf.workers import ALONE, Workers


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
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    end: End = LOGITS,
    teacher: Teacher | None = None,
    is_frozen: bool = False,
    held: Sequence[HeldWeights] = (),
    class_weights: np.ndarray | None = None,
    workers: Workers = ALONE,
) -> Step:
    """Return `step(images, labels)`, which trains a network.

    Args:
        model: A network of logits.
        optimizer: Built for its trainable variables.
        end: What was taken off it; says which loss fits.
        teacher: Has a share of the loss, on the same images; it is not changed.
        is_frozen: Whether batch normalisation goes by its moving statistics.
        held: Kernels of which some weights are 0 and stay so.
        class_weights: How much images of each class count in the loss, `[classes]`; None for 1 each.
        workers: Who train it together; each takes the step with its share of a batch.
    """
    weights, statistics = model.trainable_variables, model.non_trainable_variables

    def step(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        def loss(values: list[Tensor]) -> Any:
            return plain_loss(
                model,
                values,
                [v.value for v in statistics],
                images=images,
                labels=labels,
                end=end,
                teacher=teacher,
                is_frozen=is_frozen,
                class_weights=class_weights,
            )

        (_, own), gradients = value_and_gradient(loss, [v.value for v in weights])
        gradients, (new_statistics, figures) = workers.mean((gradients, own))
        # What is held at 0 has no share in the norm that gradients are clipped by, nor in momentum.
        gradients = list(gradients)
        for one in held:
            gradients[place_of[id(one.kernel)]] *= one.values
        optimizer.apply(gradients, weights)
        for one in held:
            one.kernel.assign(one.kernel.value * one.values)
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    place_of = {id(weight): place for place, weight in enumerate(weights)}
    others = [*([] if teacher is None else teacher.model.variables), *(one.mask for one in held)]
    return compile_step(step, [*weights, *statistics, *optimizer.variables, *others], workers=workers)


def compile_budget_step(
    model: keras.Model,
    cut: ChannelCut,
    *,
    scores: keras.Variable,
    optimizer: keras.optimizers.Optimizer,
    score_optimizer: keras.optimizers.Optimizer,
    loss: BudgetLoss = budget_loss,
    workers: Workers = ALONE,
) -> Step:
    """Return `step(images, labels, limits, uniform)`, which trains the full and one masked network.

    Args:
        model: A network of logits.
        scores: Of its channels, `[C]`.
        cut: Turns scores and limits into a mask.
        optimizer: Built for its trainable variables.
        score_optimizer: Built for the scores.
        loss: Of both, a mean over images.
        workers: As in `compile_plain_step`.
    """
    weights, statistics = model.trainable_variables, model.non_trainable_variables

    def step(images: Tensor, labels: Tensor, limits: Tensor, uniform: Tensor) -> dict[str, Tensor]:
        def loss_of(values: list[Tensor]) -> Any:
            return loss(
                model,
                cut,
                weights=values[:-1],
                scores=values[-1],
                statistics=[v.value for v in statistics],
                images=images,
                labels=labels,
                limits=limits,
                uniform=uniform,
            )

        values = [v.value for v in (*weights, scores)]
        (_, own), gradients = value_and_gradient(loss_of, values)
        gradients, (new_statistics, figures) = workers.mean((gradients, own))
        optimizer.apply(gradients[:-1], weights)
        score_optimizer.apply(gradients[-1:], [scores])
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    return compile_step(
        step,
        [*weights, scores, *statistics, *optimizer.variables, *score_optimizer.variables],
        workers=workers,
    )
