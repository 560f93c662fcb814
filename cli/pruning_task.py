"""What one network and several have in common once everything that was typed is read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stamp_cli.errors import interruptible
from stamp_cli.options_file import resolved_options
from stamp_cli.progress import Progress
from stamp_cli.references import Source
from stamp_cli.tensorboard import TensorBoard
from stamp_tf.options.outcome import OutcomeOptions
from stamp_tf.options.prune import PruneConfig
from stamp_tf.options.run import RunOptions

if TYPE_CHECKING:
    from stamp_tf.data import DataSet
    from stamp_tf.on_step import OnPhase
    from stamp_tf.pruned_runs.prune_into import Settled
    from stamp_tf.references.reference import Reference
    from stamp_tf.storage.run_directory import RunDirectory

_LEFT_OPEN = ("epochs", "done_at_loss", "learning_rate", "clip_norm")
_PHASES = {
    "prune": "Pruning",
    "latency": "Measuring",
    "search": "Searching",
    "refit": "Refitting",
    "finetune": "Fine-tuning",
    "full": "Testing the full network",
    "baseline": "Fine-tuning the full network",
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is pruned for what, and what is written.

    Args:
        found: The network.
        reference: The same, loaded.
        seconds: How long it took to load.
        dataset: The target.
        record: What `config.json` holds beside the options of pruning.
        outcome: What is written of a network.
        run: Where, and what becomes of what lies there.
        settled: Options that were left open, and what they came to.
    """

    found: Source
    reference: Reference
    seconds: float
    dataset: DataSet
    record: Mapping[str, Any]
    outcome: OutcomeOptions
    run: RunOptions
    settled: Mapping[str, Any]

    def record_of(self, config: PruneConfig) -> dict[str, Any]:
        """Return what `config.json` is to hold of a run."""
        from stamp_tf.pruned_runs.write import flat_options

        return {**self.record, **flat_options(config)}

    def options_of(self, config: PruneConfig, **settled: Any) -> str:
        """Return what `options.yaml` is to hold of a run.

        Args:
            config: Its options.
            **settled: Option -> its value in this run, of those that were given as lists.
        """
        filled_in = {name: getattr(config.finetune, name) for name in _LEFT_OPEN}
        return resolved_options(**{"method": config.method, **filled_in, **self.settled, **settled})

    def settle(self, config: PruneConfig) -> Settled:
        """Check reference and data set against each other."""
        from stamp_tf.pruned_runs.prune_into import Settled
        from stamp_tf.pruning.kept import Kept
        from stamp_tf.pruning.target import settle_target

        reference, dataset = settle_target(self.reference, self.dataset, config)
        return Settled(reference=reference, dataset=dataset, kept=Kept(), seconds=self.seconds)

    @contextmanager
    def watch(self, directory: RunDirectory) -> Iterator[OnPhase]:
        """Show the steps of a run, and say at an interrupt where its state lies."""
        board = TensorBoard(directory.path) if self.run.tensorboard else None
        with Progress(board) as progress, interruptible(directory.path):
            yield lambda phase, *rest: progress(_PHASES.get(phase, phase), *rest)
