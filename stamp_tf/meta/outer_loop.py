"""The outer steps of a meta-training, with their figures and their state on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.on_step import OnStep
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.references.layer_arrays import assign_arrays
from stamp_tf.references.reference import Reference
from stamp_tf.schedules import step_rate
from stamp_tf.storage.checkpoints import assign_optimizer, load_last_step, optimizer_arrays, save_step
from stamp_tf.storage.records import append_jsonl, trim_jsonl
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.several_workers import require_same_state
from stamp_tf.training.divergence import DivergenceWatch, StepPlace, last_state_in_words
from stamp_tf.workers import ALONE, Workers

SAVE_EVERY = 10
"""How many steps there are from one state on disk to the next."""


class OuterLoop:
    """Takes the steps that are left of a run.

    Args:
        run: Whose folder gets a line a step and a state every `SAVE_EVERY` of them.
        trained: The run's own copy of the reference, whose networks the steps train in place.
        optimizers: Of W, pi and theta.
        config: Options.
        workers: Who train together.
    """

    def __init__(
        self,
        run: RunDirectory,
        trained: Reference,
        *,
        optimizers: Sequence[keras.optimizers.Optimizer],
        config: MetaTrainConfig,
        workers: Workers = ALONE,
    ) -> None:
        self.run = run
        self.trained = trained
        self.optimizers = optimizers
        self.config = config
        self.workers = workers
        self.num_done = 0
        self._num_saved = 0
        self._watch = DivergenceWatch(
            "Meta-training",
            remedy="take smaller `inner_rates` or `outer_rates`, or a smaller `kl_scale`",
            state=lambda: last_state_in_words(run.path, self._num_saved, unit="step"),
        )

    def restore(self, *, resume: bool) -> None:
        """Go on from the newest state, or begin anew.

        Args:
            resume: Whether to look for a state.
        """
        if resume and (state := load_last_step(self.run.checkpoints)) is not None:
            arrays, metadata = state
            assign_arrays("model", self.trained.model, arrays, path=self.run.checkpoints)
            for made in self.trained.layers:
                assign_arrays(made.kind.name, made.layer, arrays, path=self.run.checkpoints)
            for index, optimizer in enumerate(self.optimizers):
                assign_optimizer(f"optimizer_{index}", optimizer, arrays)
            self.num_done = self._num_saved = metadata["step"]
        require_same_state(self._arrays(), self.workers)
        # Without a state, too: a kill between the first line and the first state leaves the line.
        trim_jsonl(self.run.metrics, "step", self.num_done)

    def train(
        self,
        step: Callable[..., Mapping[str, Any]],
        episode: Callable[[int], tuple[Any, ...]],
        *,
        on_step: OnStep | None,
    ) -> None:
        """Take the steps that are left. An interrupt saves the last of them.

        Args:
            step: Takes what an episode gives and returns figures.
            episode: Returns the tasks of a step, by its number from 0.
            on_step: Called with (steps done, all steps, figures) after each.

        Raises:
            DivergenceError: If something is no longer finite.
        """
        try:
            for index in range(self.num_done, self.config.outer_steps):
                record = self._take(index, step, episode)
                if on_step is not None:
                    on_step(self.num_done, self.config.outer_steps, record)
                if self.num_done % SAVE_EVERY == 0:
                    self._save(self.num_done)
        except KeyboardInterrupt:
            # An interrupt within a step is raised behind it; the optimizer knows how many steps were taken.
            self._save(int(self.optimizers[0].iterations))
            words = f"state saved in {self.run.path}; continue with `resume=True`"
            raise KeyboardInterrupt(in_words_of_the_caller(words)) from None
        self._save(self.num_done)

    def _take(
        self, index: int, step: Callable[..., Mapping[str, Any]], episode: Callable[[int], tuple[Any, ...]]
    ) -> dict[str, float]:
        """Take one step, and return its figures with the number of its images."""
        config, started = self.config, time.perf_counter()
        rates = {}
        for name, optimizer, peak in zip(
            ("W", "pi", "theta"), self.optimizers, config.outer_rates, strict=True
        ):
            rate = step_rate(index, config.outer_steps, peak=peak)
            optimizer.learning_rate = rates[f"outer rate of {name}"] = rate
        record = {name: float(value) for name, value in step(*episode(index)).items()}
        self.num_done = index + 1
        self._watch.see(StepPlace(step=self.num_done, num_steps=config.outer_steps, rates=rates), record)
        self._watch.check()
        record |= {"step": self.num_done, "seconds": time.perf_counter() - started}
        append_jsonl(self.run.metrics, record)
        return record | {"images": config.tasks * config.ways * config.shots}

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return all that a resumed run needs."""
        arrays = self.trained.arrays()
        for index, optimizer in enumerate(self.optimizers):
            arrays |= optimizer_arrays(f"optimizer_{index}", optimizer)
        return arrays

    def _save(self, num_done: int) -> None:
        arrays = self._arrays()
        self._watch.check(arrays)
        save_step(self.run.checkpoints, num_done, arrays=arrays, metadata={})
        self._num_saved = num_done
