"""Loss of a reference network whose masked part serves a small task, with a mask made for that task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from stamp_tf.channels import ChannelCut, add_logistic_noise, mask_kernels
from stamp_tf.channels.probe import Probe
from stamp_tf.layers.contracts import checked_masks, plugin_of
from stamp_tf.layers.mask_generator import MaskGenerator
from stamp_tf.losses import accuracy, classification_loss, distillation_loss

Tensor = Any

# Logits of classes that are not in the task: no probability, and finite where 0 times it is taken.
_ABSENT = -1e4


@dataclass(frozen=True)
class TaskInputs:
    """What a step gets besides a batch of all classes.

    Args:
        images: Of the task, float32 `[b, H, W, D]`.
        labels: int32 `[b]`, labels of the whole data set.
        classes: 0/1, `[K]`: which classes belong to the task.
        limits: Limits on (parameters, FLOPs), `[2]`.
        uniform: Numbers in (0, 1) for the noise on the scores, `[C]`.
    """

    images: Tensor
    labels: Tensor
    classes: Tensor
    limits: Tensor
    uniform: Tensor


class TaskLoss:
    """The full network on all classes plus a masked one on a task, taught by the full one's logits there.

    The mask's scores are the learnt order plus what a mask generator adds for the task's classes.

    Args:
        model: The reference network.
        cut: Turns scores and limits into a mask.
        mask_generator: One that reads classes, whose own base is still 0.

    Reference:
        Yu & Huang 2019 (a masked network taught by the full one).
    """

    def __init__(self, model: keras.Model, cut: ChannelCut, mask_generator: MaskGenerator) -> None:
        self.model = model
        self.cut = cut
        self.mask_generator = mask_generator
        self.probe = Probe(model, cut.channel_map)
        self._paths = [variable.path for variable in model.trainable_variables]

    def __call__(
        self,
        weights: Sequence[Tensor],
        scores: Tensor,
        generator: Sequence[Tensor],
        statistics: Sequence[Tensor],
        images: Tensor,
        labels: Tensor,
        *,
        task: TaskInputs,
        sketch: Tensor,
        sketch_classes: Tensor,
    ) -> tuple[Tensor, tuple[list[Tensor], Tensor, dict[str, Tensor]]]:
        """Return the loss; new statistics, what the channels did on the batch `[b, C]`, and figures.

        Args:
            weights: Trainable values of the network.
            scores: The learnt order, `[C]`.
            generator: Trainable values of the mask generator.
            statistics: Non-trainable values of the network.
            images: A batch of all classes, float32 `[b, H, W, D]`.
            labels: int32 `[b]`.
            task: The task.
            sketch: Vectors that stand for all classes, `[r, C]`.
            sketch_classes: 0/1, `[r, K]`, their classes.
        """
        logits, pooled, new_statistics = self.probe.watch(weights, statistics, images)
        full_loss = classification_loss(logits, labels)
        offsets = self._offsets(generator, sketch, sketch_classes * task.classes)
        mask = self.cut.straight_through(add_logistic_noise(scores + offsets, task.uniform), task.limits)
        masked_weights = mask_kernels(self.cut.channel_map, self._paths, weights, mask)
        absent = _ABSENT * (1 - task.classes)
        masked_logits, _ = self.model.stateless_call(masked_weights, statistics, task.images, training=True)
        masked_logits = masked_logits + absent
        teacher, _ = self.model.stateless_call(
            [ops.stop_gradient(value) for value in weights], statistics, task.images, training=False
        )
        masked_loss = classification_loss(masked_logits, task.labels)
        loss = full_loss + 0.5 * distillation_loss(masked_logits, teacher + absent) + 0.5 * masked_loss
        return loss, (
            new_statistics,
            ops.stop_gradient(pooled),
            {
                "loss": full_loss,
                "accuracy": accuracy(logits, labels),
                "masked_loss": masked_loss,
                "masked_accuracy": accuracy(masked_logits, task.labels),
                "keep_ratio": ops.mean(mask),
            },
        )

    def _offsets(self, values: Sequence[Tensor], sketch: Tensor, classes: Tensor) -> Tensor:
        """Return what the generator adds to the learnt order, `[C]`; the sketch itself learns nothing."""
        state = [variable.value for variable in self.mask_generator.non_trainable_variables]
        uniform = ops.full((2, self.cut.num_channels), 0.5, dtype=sketch.dtype)
        with plugin_of(self.mask_generator, group="mask_generators").running():
            masks, _ = self.mask_generator.stateless_call(
                list(values), state, ops.stop_gradient(sketch), uniform, classes=classes
            )
        return checked_masks(self.mask_generator, masks, num_channels=self.cut.num_channels)[0]
