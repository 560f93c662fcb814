"""Losses of the reference network: on labels, and for a masked network its own full output as a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import ChannelCut, add_logistic_noise, mask_kernels
from stamp_tf.ends import LOGITS, End
from stamp_tf.losses import accuracy, classification_loss, distillation_loss
from stamp_tf.tensor import Tensor
from stamp_tf.training.forward import forward
from stamp_tf.training.teacher import Teacher

BudgetLoss = Callable[..., tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]]
"""What `budget_loss` is, or what somebody takes in its place: called with the same."""


def plain_loss(
    model: keras.Model,
    weights: Sequence[Tensor],
    statistics: Sequence[Tensor],
    *,
    images: Tensor,
    labels: Tensor,
    end: End = LOGITS,
    teacher: Teacher | None = None,
    is_frozen: bool = False,
    class_weights: np.ndarray | None = None,
) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
    """Return the loss of a network, its new statistics and its figures.

    `end` says which loss fits, `is_frozen` whether batch normalisation goes by its moving statistics, `class_weights`
    `[classes]` how much images of a class count.
    """
    logits, new_statistics = forward(model, weights, statistics, images=images, is_frozen=is_frozen)
    loss = classification_loss(logits, labels, end, weights=class_weights)
    if teacher is not None:
        loss = teacher.mixed(loss, logits, images, end=end)
    return loss, (new_statistics, {"loss": loss, "accuracy": accuracy(logits, labels)})


def taught(masked_logits: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return how far the masked network is from the full one, its teacher; labels have no say.

    Args:
        masked_logits: Of the masked network, `[B, classes]`.
        logits: Of the full one.
        labels: int32 `[B]`.
    """
    return distillation_loss(masked_logits, logits)


def budget_loss(
    model: keras.Model,
    cut: ChannelCut,
    *,
    weights: Sequence[Tensor],
    scores: Tensor,
    statistics: Sequence[Tensor],
    images: Tensor,
    labels: Tensor,
    limits: Tensor,
    uniform: Tensor,
    teach: Callable[[Tensor, Tensor, Tensor], Tensor] = taught,
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
        teach: Half of the masked network's loss, called as `taught` is; the other half is its loss on the labels.

    Returns:
        The loss, and the pair of new statistics and figures.

    Source:
        Yu & Huang 2019 (in-place distillation).
    """
    logits, new_statistics = forward(model, weights, statistics, images=images)
    full_loss = classification_loss(logits, labels)
    mask = cut.straight_through(add_logistic_noise(scores, uniform), limits)
    paths = [variable.path for variable in model.trainable_variables]
    masked_weights = mask_kernels(cut.channel_map, paths, weights=weights, mask=mask)
    masked_logits, _ = forward(model, masked_weights, statistics, images=images)
    masked_loss = classification_loss(masked_logits, labels)
    loss = full_loss + 0.5 * teach(masked_logits, logits, labels) + 0.5 * masked_loss
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
