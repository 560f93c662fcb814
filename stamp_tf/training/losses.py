"""Losses of the reference network: labels, and its own full output as a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stamp_tf.channels import ChannelCut, mask_kernels

Tensor = Any
SCORE_NOISE = 0.2
"""Scale of the logistic noise on scores: neighbours in rank change places, and both learn what they are worth."""


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits `[B, classes]` and labels int `[B]`."""
    log_probabilities = ops.log_softmax(logits, axis=-1)
    targets = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return -ops.mean(ops.sum(targets * log_probabilities, axis=-1))


def distillation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits `[B, classes]` and a teacher's probabilities.

    Reference:
        Hinton et al. 2015, at temperature 1.
    """
    probabilities = ops.stop_gradient(ops.softmax(teacher_logits, axis=-1))
    return -ops.mean(ops.sum(probabilities * ops.log_softmax(logits, axis=-1), axis=-1))


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of logits `[B, classes]` whose largest is the label's."""
    hits = ops.argmax(logits, axis=-1) == ops.cast(labels, "int32")
    return ops.mean(ops.cast(hits, "float32"))


def plain_loss(
    model: keras.Model, weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor, labels: Tensor
) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
    """Return the loss of the full network, its new statistics and its figures."""
    logits, statistics = model.stateless_call(weights, statistics, images, training=True)
    loss = classification_loss(logits, labels)
    return loss, (statistics, {"loss": loss, "accuracy": accuracy(logits, labels)})


def budget_loss(
    model: keras.Model,
    cut: ChannelCut,
    weights: Sequence[Tensor],
    scores: Tensor,
    statistics: Sequence[Tensor],
    images: Tensor,
    labels: Tensor,
    limits: Tensor,
    uniform: Tensor,
) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
    """Return the loss of the full network and of one masked network taught by it, on the same batch.

    Only the full network's pass moves the statistics: those of a masked one are recalibrated once its mask is
    known.

    Args:
        model: The reference network.
        cut: Turns scores and limits into a mask.
        weights: Trainable values.
        scores: One per channel, `[C]`.
        statistics: Non-trainable values.
        images: float32 `[B, H, W, D]`.
        labels: int32 `[B]`.
        limits: Limits on (parameters, FLOPs), `[2]`.
        uniform: Numbers in (0, 1) for the noise on the scores, `[C]`.

    Returns:
        The loss, and the pair of new statistics and figures.

    Reference:
        Yu & Huang 2019 (in-place distillation).
    """
    logits, new_statistics = model.stateless_call(weights, statistics, images, training=True)
    full_loss = classification_loss(logits, labels)
    mask = cut.straight_through(noisy(scores, uniform), limits)
    paths = [variable.path for variable in model.trainable_variables]
    masked_weights = mask_kernels(cut.channel_map, paths, weights, mask)
    masked_logits, _ = model.stateless_call(masked_weights, statistics, images, training=True)
    masked_loss = classification_loss(masked_logits, labels)
    loss = full_loss + 0.5 * distillation_loss(masked_logits, logits) + 0.5 * masked_loss
    return loss, (
        new_statistics,
        {
            "loss": full_loss,
            "accuracy": accuracy(logits, labels),
            "masked_loss": masked_loss,
            "masked_accuracy": accuracy(masked_logits, labels),
            "keep_ratio": ops.mean(mask),
        },
    )


def noisy(scores: Tensor, uniform: Tensor) -> Tensor:
    """Add logistic noise of scale `SCORE_NOISE`, made from uniform numbers `[C]` in (0, 1), to scores `[C]`."""
    uniform = ops.clip(uniform, 1e-6, 1 - 1e-6)
    return scores + SCORE_NOISE * (ops.log(uniform) - ops.log(1 - uniform))
