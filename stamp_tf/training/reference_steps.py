"""Compiled steps that train a reference network (TensorFlow)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from stamp_tf.channels import ChannelCut
from stamp_tf.training.budget_loss import budget_loss, plain_loss

Step = Callable[..., dict[str, Any]]


def make_weight_optimizer(*, momentum: float = 0.9, weight_decay: float = 5e-4) -> keras.optimizers.Optimizer:
    """Return SGD with Nesterov momentum that decays kernels only."""
    optimizer = keras.optimizers.SGD(0.1, momentum=momentum, nesterov=True, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def compile_plain_step(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Step:
    """Return `step(images, labels)`, which trains the full network."""
    weights, statistics = model.trainable_variables, model.non_trainable_variables

    @tf.function(reduce_retracing=True, autograph=False)
    def step(images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss, (new_statistics, figures) = plain_loss(
                model, [v.value for v in weights], [v.value for v in statistics], images, labels
            )
        optimizer.apply(tape.gradient(loss, [v.value for v in weights]), weights)
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        return figures

    return step


def compile_budget_step(
    model: keras.Model,
    scores: keras.Variable,
    cut: ChannelCut,
    optimizer: keras.optimizers.Optimizer,
    score_optimizer: keras.optimizers.Optimizer,
) -> Step:
    """Return `step(images, labels, limits, uniform)`, which trains the full and one masked network."""
    weights, statistics = model.trainable_variables, model.non_trainable_variables

    @tf.function(reduce_retracing=True, autograph=False)
    def step(
        images: tf.Tensor, labels: tf.Tensor, limits: tf.Tensor, uniform: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss, (new_statistics, figures) = budget_loss(
                model,
                cut,
                [v.value for v in weights],
                scores.value,
                [v.value for v in statistics],
                images,
                labels,
                limits,
                uniform,
            )
        gradients = tape.gradient(loss, [v.value for v in weights] + [scores.value])
        optimizer.apply(gradients[:-1], weights)
        score_optimizer.apply(gradients[-1:], [scores])
        for variable, value in zip(statistics, new_statistics, strict=True):
            variable.assign(value)
        return figures

    return step
