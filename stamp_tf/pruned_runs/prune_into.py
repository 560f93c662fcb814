"""Prune into a folder: a run that begins once nothing is left to refuse, and ends with a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stamp_tf.data import DataSet
from stamp_tf.on_step import OnPhase
from stamp_tf.options.outcome import OutcomeOptions
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruned_runs.write import export_run
from stamp_tf.pruning.kept import Kept
from stamp_tf.pruning.measure_full import with_full
from stamp_tf.pruning.prune_settled import prune_settled
from stamp_tf.references.reference import Reference
from stamp_tf.report.report import Report
from stamp_tf.storage.claims import start_run
from stamp_tf.storage.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What is pruned for what, as `settle_target` returned both.

    Args:
        reference: The reference.
        dataset: The target.
        kept: What was found out about them.
        seconds: How long it took to load them.
        full_network: Where figures and states of the full network lie; None is in the run's folder.
    """

    reference: Reference
    dataset: DataSet
    kept: Kept
    seconds: float = 0.0
    full_network: Path | None = None


def prune_into(
    directory: RunDirectory,
    settled: Settled,
    config: PruneConfig,
    *,
    record: Mapping[str, Any],
    outcome: OutcomeOptions,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    on_step: OnPhase | None = None,
) -> Report:
    """Prune, fine-tune and write the run.

    The folder is written to from the first step of fine-tuning on, when nothing is left that a user could have got
    wrong.

    Args:
        directory: The run's folder; the caller has claimed it.
        settled: What is pruned for what.
        config: Options.
        record: What `config.json` is to hold.
        outcome: What is written of the result.
        resume: Whether to go on with the run that lies there.
        overwrite: Whether to throw it away.
        command: What was typed, for the report.
        on_step: Called with (phase, steps done, all steps, figures).

    Returns:
        The report, as written.

    Raises:
        StampError: If the network cannot be pruned or written as asked.
    """
    is_open = False

    def open_run() -> None:
        nonlocal is_open
        if not is_open:
            start_run(directory, record, resume=resume, overwrite=overwrite)
            is_open = True

    def tell(phase: str, *step: Any) -> None:
        if phase == "finetune":
            open_run()
        if on_step is not None:
            on_step(phase, *step)

    result = prune_settled(
        settled.reference,
        settled.dataset,
        config,
        kept=settled.kept,
        times={"load": settled.seconds},
        checkpoints=directory.checkpoints,
        resume=resume,
        on_step=tell,
    )
    open_run()
    result = with_full(
        result,
        kept=settled.kept,
        states=settled.full_network or directory.full_network,
        # What several runs share is there as soon as one of them has found it out.
        resume=resume or settled.full_network is not None,
        on_step=on_step,
    )
    return export_run(
        result,
        directory.path,
        exports=outcome.formats,
        compress_epochs=outcome.compress_epochs,
        speed=outcome.speed,
        dollars_per_hour=outcome.dollars_per_hour,
        command=command,
    )
