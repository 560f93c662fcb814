"""The epochs of a reference's training: the full network alone, then at budgets, with a state on disk after each."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from stamp_tf.data import Batches, ImageSet, StreamedSet
from stamp_tf.on_step import OnStep
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.references.layer_arrays import assign_arrays
from stamp_tf.references.reference import Reference
from stamp_tf.schedules import cosine_rate
from stamp_tf.storage.checkpoints import assign_optimizer, load_last_step, optimizer_arrays, save_step
from stamp_tf.storage.records import append_jsonl, trim_jsonl
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.several_workers import require_same_state
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.budget_loss import BudgetLoss, budget_loss
from stamp_tf.training.budget_stage import BudgetStage
from stamp_tf.training.divergence import DivergenceWatch, StepPlace, last_state_in_words
from stamp_tf.training.figures import StepFigures
from stamp_tf.workers import ALONE, Workers

logger = logging.getLogger(__name__)


class ReferenceEpochs:
    """Takes the epochs that are left of a run.

    Args:
        run: Whose folder gets a line and a state an epoch.
        reference: The run's own, which nobody else holds: its network is trained in place.
        batches: Of its data set.
        config: Options.
        loss: Of the epochs at budgets.
        workers: Who train together; each reads its share of the batches.
    """

    def __init__(
        self,
        run: RunDirectory,
        reference: Reference,
        *,
        batches: Batches,
        config: PretrainConfig,
        loss: BudgetLoss = budget_loss,
        workers: Workers = ALONE,
    ) -> None:
        from stamp_tf.training.reference_steps import compile_plain_step, make_weight_optimizer

        self.run = run
        self.reference = reference
        self.batches = batches.shared_by(workers)
        self.workers = workers
        self.config = config
        self.num_done = 0
        self._optimizer = make_weight_optimizer(weight_decay=config.weight_decay)
        self._optimizer.build(reference.model.trainable_variables)
        self._plain_step = compile_plain_step(reference.model, self._optimizer, workers=workers)
        self.stage = BudgetStage(
            reference,
            self._optimizer,
            budgets=config.budgets,
            seed=config.seed,
            loss=loss,
            workers=workers,
        )
        self._watch = DivergenceWatch(
            "Pretraining",
            remedy=f"take a smaller `learning_rate` than {config.learning_rate:g} or `budget_learning_rate` than "
            f"{config.budget_learning_rate:g}",
            state=lambda: last_state_in_words(run.path, self.num_done),
        )

    def restore(self, *, resume: bool) -> None:
        """Go on from the newest state, or begin anew.

        Args:
            resume: Whether to look for a state.
        """
        if resume and (saved := load_last_step(self.run.checkpoints)) is not None:
            arrays, metadata = saved
            assign_arrays("model", self.reference.model, arrays, path=self.run.checkpoints)
            assign_optimizer("optimizer", self._optimizer, arrays)
            self.stage.assign(arrays, path=self.run.checkpoints)
            self.num_done = metadata["step"]
        require_same_state(self._arrays(), self.workers)
        # Without a state, too: a kill between the first line and the first state leaves the line.
        trim_jsonl(self.run.metrics, "epoch", self.num_done)

    def train(
        self,
        test: ImageSet | StreamedSet,
        *,
        before: Reference | None,
        on_step: OnStep | None,
    ) -> None:
        """Take the epochs that are left.

        Args:
            test: Images to test on after each.
            before: What the epochs at budgets go on from, if anything.
            on_step: Called with (steps done, all steps, figures) after each step.

        Raises:
            DivergenceError: If something is no longer finite.
        """
        num_epochs = self.config.epochs + self.config.budget_epochs
        for epoch in range(self.num_done, num_epochs):
            if epoch == self.config.epochs:
                self.stage.start(before)
            started = time.perf_counter()
            means = self._take(epoch, num_epochs * len(self.batches), on_step)
            state = self._arrays()
            self._watch.check(state)
            with self._watch.blaming("logits of test images"):
                accuracy = evaluate_accuracy(
                    self.reference.model, test, normalization=self.reference.normalization
                )
            record: dict[str, Any] = {
                "epoch": epoch + 1,
                **means,
                "seconds": time.perf_counter() - started,
                "test_accuracy": accuracy,
            }
            append_jsonl(self.run.metrics, record)
            words = ", ".join(
                f"{name.replace('_', ' ')} {value:.4g}" for name, value in record.items() if name != "epoch"
            )
            logger.info("Epoch %d of %d: %s.", epoch + 1, num_epochs, words)
            save_step(self.run.checkpoints, epoch + 1, arrays=state, metadata={})
            self.num_done = epoch + 1

    def _take(
        self,
        epoch: int,
        num_steps: int,
        on_step: OnStep | None,
    ) -> dict[str, float]:
        """Take one epoch, and return the means of its figures."""
        history: list[Mapping[str, Any]] = []
        for index, (images, labels) in enumerate(self.batches.epoch(epoch)):
            step = epoch * len(self.batches) + index
            self._optimizer.learning_rate = rate = self._rate(step)
            if epoch >= self.config.epochs:
                figures = self.stage.train(step, images, labels, learning_rate=rate)
            else:
                figures = self._plain_step(images, labels)
            history.append(figures)
            self._watch.see(
                StepPlace(step=step + 1, num_steps=num_steps, rates={"learning rate": rate}, epoch=epoch + 1),
                figures,
            )
            if on_step is not None:
                on_step(step + 1, num_steps, StepFigures(figures, images=len(images) * self.workers.number))
        # Fetched only now: a float in the loop would make every step wait for the one before.
        return {name: sum(float(values[name]) for values in history) / len(history) for name in history[0]}

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return all that a resumed run needs."""
        return self.reference.arrays() | optimizer_arrays("optimizer", self._optimizer) | self.stage.arrays()

    def _rate(self, step: int) -> float:
        """Return SGD's rate: one cosine for the full network alone, and another at budgets.

        A masked network is far from the full one at first, and needs a large rate again.
        """
        config, epoch_steps = self.config, len(self.batches)
        num_plain = config.epochs * epoch_steps
        if step < num_plain:
            warmup = min(epoch_steps, num_plain // 10)
            return cosine_rate(step, num_plain, peak=config.learning_rate, num_warmup_steps=warmup)
        num_at_budgets = config.budget_epochs * epoch_steps
        return cosine_rate(step - num_plain, num_at_budgets, peak=config.budget_learning_rate)
