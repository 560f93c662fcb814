"""The epochs at budgets: each batch of the full network also trains a masked one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from stamp_tf.channels import Budget
from stamp_tf.channels.budget_range import draw_limits, median_flops
from stamp_tf.references.reference import Reference
from stamp_tf.storage.checkpoints import assign_optimizer, optimizer_arrays
from stamp_tf.training.budget_loss import BudgetLoss, budget_loss
from stamp_tf.training.reference_steps import compile_budget_step
from stamp_tf.workers import ALONE, Workers

MIN_CHANNELS = 2


class BudgetStage:
    """Masks by one learnt order of channels.

    Args:
        reference: What is trained.
        optimizer: Of its weights.
        budgets: Smallest and largest fraction of FLOPs.
        seed: Of budgets and noise.
        loss: Of the full network and a masked one.
        workers: Who train together.
    """

    def __init__(
        self,
        reference: Reference,
        optimizer: keras.optimizers.Optimizer,
        *,
        budgets: tuple[float, float],
        seed: int,
        loss: BudgetLoss = budget_loss,
        workers: Workers = ALONE,
    ) -> None:
        self.reference = reference
        self.budgets = budgets
        self.seed = seed
        self.cut = reference.cut.with_min_channels(MIN_CHANNELS)
        self.scores = keras.Variable(
            np.zeros(self.cut.num_channels), dtype=keras.config.floatx(), name="scores"
        )
        self.score_optimizer = keras.optimizers.Adam(0.04)
        self.score_optimizer.build([self.scores])
        self._step = compile_budget_step(
            reference.model,
            self.cut,
            scores=self.scores,
            optimizer=optimizer,
            score_optimizer=self.score_optimizer,
            loss=loss,
            workers=workers,
        )

    def start(self, before: Reference | None) -> None:
        """Begin with the weights as they are.

        Args:
            before: Whose scores to go on from; where there are none, the batch-norm scales give the first ones.
        """
        known = None if before is None else before.scores
        self.scores.assign(_scale_scores(self.reference) if known is None else known)

    def train(
        self, step: int, images: np.ndarray, labels: np.ndarray, *, learning_rate: float
    ) -> dict[str, Any]:
        """Train on a batch and return the figures, which wait to be read.

        Args:
            step: Decides budget and noise.
            images: Normalised, float32 `[b, H, W, D]`.
            labels: int32 `[b]`.
            learning_rate: Of the weights; the others follow it.
        """
        self.score_optimizer.learning_rate = 0.4 * learning_rate
        return self._step(images, labels, *self._draw(step))

    def _draw(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the limits of a step, log-uniform in FLOPs, and uniform numbers for its noise."""
        rng = np.random.default_rng((self.seed, step, 2))
        return draw_limits(rng, self.budgets, 1)[0], rng.uniform(size=self.cut.num_channels).astype(
            keras.config.floatx()
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that a resumed run needs besides the reference."""
        return {"scores": np.asarray(self.scores)} | optimizer_arrays("score_optimizer", self.score_optimizer)

    def assign(self, arrays: Mapping[str, np.ndarray], *, path: Path) -> None:
        """Go on from what `arrays` returned; `path` is for messages."""
        self.scores.assign(arrays["scores"])
        assign_optimizer("score_optimizer", self.score_optimizer, arrays)

    def centered_scores(self) -> np.ndarray:
        """Return the scores that were learnt, `[C]`.

        Budgets fix differences of scores, not their level: let 0 be the cut at the median budget.
        """
        scores = np.asarray(self.scores)
        median = Budget(max_flops=median_flops(self.budgets))
        return scores - np.float32(self.reference.cut.threshold(scores, median))


def _scale_scores(reference: Reference) -> np.ndarray:
    """Return 0.3 x the batch-norm scale of each channel, standardised within its group."""
    scales = np.zeros(reference.channel_map.num_channels)
    values = {weight.path: np.abs(np.asarray(weight)) for weight in reference.model.trainable_variables}
    for axis in reference.channel_map.weight_axes:
        if axis.role == "follower" and axis.path.endswith("/gamma"):
            scales[axis.channels[axis.channels >= 0]] = values[axis.path][axis.channels >= 0]
    for group in reference.channel_map.groups:
        part = scales[group.slice]
        scales[group.slice] = 0.3 * (part - part.mean()) / (part.std() + 1e-6)
    return scales
