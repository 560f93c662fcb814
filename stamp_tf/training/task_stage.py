"""Epochs at budgets with masks made for small tasks, so that weights and masks fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from stamp_tf.data import balanced_part
from stamp_tf.data.task_batches import TaskBatches
from stamp_tf.errors import StampError
from stamp_tf.layers.mask_generator import MaskGenerator
from stamp_tf.references.reference import Reference, assign_arrays, layer_arrays, make_layer
from stamp_tf.storage.checkpoints import assign_optimizer, optimizer_arrays
from stamp_tf.training.budget_stage import BudgetStage
from stamp_tf.training.class_reference import excite_classes, learn_reference
from stamp_tf.training.class_statistics import ClassStatistics
from stamp_tf.training.reference_steps import compile_task_step
from stamp_tf.training.task_loss import TaskLoss

_IMAGES_PER_CLASS = 60


class TaskStage(BudgetStage):
    """Masks by the learnt order plus what a mask generator adds for the classes of a task.

    Weights that were trained under one order are of little use in another, however well the other suits a task.
    Here every batch comes with a task of few classes, and with a mask that the generator makes for it from
    running class statistics.

    Args:
        reference: What is trained.
        optimizer: Of its weights.
        mask_generator: Registered name of one that reads classes.
        options: Its further arguments.
        tasks: Draws them.
        budgets: Smallest and largest fraction of FLOPs.
        seed: Of budgets and noise.

    Raises:
        StampError: If the mask generator does not read classes.
    """

    def __init__(
        self,
        reference: Reference,
        optimizer: keras.optimizers.Optimizer,
        *,
        mask_generator: str,
        options: Mapping[str, Any],
        tasks: TaskBatches,
        budgets: tuple[float, float],
        seed: int,
    ) -> None:
        self.tasks = tasks
        self.mask_generator: MaskGenerator = make_layer(
            "mask_generators",
            mask_generator,
            {"group_sizes": list(reference.channel_map.group_sizes), **options},
            shape=(None, reference.channel_map.num_channels),
        )
        if not self.mask_generator.needs_classes:
            raise StampError(
                f"--mask-generator must read the classes of a set here, but {mask_generator} does not; use "
                "class-separation, or leave it out and meta-train afterwards."
            )
        self.generator_optimizer = keras.optimizers.Adam(0.005)
        self.generator_optimizer.build(self.mask_generator.trainable_variables)
        self.class_statistics = ClassStatistics(
            tasks.image_set.num_classes, reference.channel_map.num_channels
        )
        super().__init__(reference, optimizer, budgets=budgets, seed=seed)

    def _compile(self, optimizer: keras.optimizers.Optimizer) -> Any:
        loss = TaskLoss(self.reference.model, self.cut, self.mask_generator)
        return compile_task_step(
            loss,
            self.scores,
            self.class_statistics,
            optimizer,
            self.score_optimizer,
            self.generator_optimizer,
        )

    def start(self, before: Reference | None) -> None:
        super().start(before)
        known = None if before is None else before.mask_generator
        if known is not None and known.registry_name == self.mask_generator.registry_name:
            self.mask_generator.set_weights(known.get_weights())
            self.mask_generator.start_from(np.zeros(self.cut.num_channels, "float32"))
        train = self.tasks.image_set
        part = balanced_part(train, _IMAGES_PER_CLASS * train.num_classes, seed=self.seed)
        self.class_statistics.measure(excite_classes(self.reference, part), part.labels)

    def train(
        self, step: int, images: np.ndarray, labels: np.ndarray, *, learning_rate: float
    ) -> dict[str, Any]:
        self.score_optimizer.learning_rate = 0.4 * learning_rate
        self.generator_optimizer.learning_rate = 0.1 * learning_rate
        task = self.tasks.draw(step)
        return self._step(images, labels, task.images, task.labels, task.classes, *self._draw(step))

    def arrays(self) -> dict[str, np.ndarray]:
        return (
            super().arrays()
            | layer_arrays("task_generator", self.mask_generator)
            | optimizer_arrays("generator_optimizer", self.generator_optimizer)
            | {variable.name: np.asarray(variable) for variable in self.class_statistics.variables}
        )

    def assign(self, arrays: Mapping[str, np.ndarray], *, path: Path) -> None:
        super().assign(arrays, path=path)
        assign_arrays("task_generator", self.mask_generator, arrays, path=path)
        assign_optimizer("generator_optimizer", self.generator_optimizer, arrays)
        for variable in self.class_statistics.variables:
            variable.assign(arrays[variable.name])

    def finish(self) -> np.ndarray:
        """Give the reference its scores, and what makes masks from a labelled set."""
        scores = super().finish()
        reference = self.reference
        self.mask_generator.start_from(scores)
        reference.mask_generator = self.mask_generator
        reference.set_encoder = make_layer(
            "set_encoders", "images", {}, shape=(None, *reference.backbone.input_shape)
        )
        learn_reference(reference, self.tasks.image_set, seed=self.seed)
        return scores
