"""Prune once for each of several budgets and methods: what all share is done once, each network is a run of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from stamp_tf.channels import ChannelCut
from stamp_tf.on_step import OnPhase
from stamp_tf.options.outcome import OutcomeOptions
from stamp_tf.options.plan import Plan
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruned_runs.prune_into import Settled, prune_into
from stamp_tf.pruning.config import rules_of
from stamp_tf.pruning.cut_proposal import check_reachable
from stamp_tf.pruning.full_network import teacher_of
from stamp_tf.pruning.target import Target, first_head
from stamp_tf.report.report import Report
from stamp_tf.storage.claims import check, claimed, held, recording, start_run
from stamp_tf.storage.records import read_record
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.sweeping.outcome import Sweep, SweptRun
from stamp_tf.sweeping.page import write_sweep
from stamp_tf.training.accuracy import evaluate_accuracy

logger = logging.getLogger(__name__)

_REMEDY = "start anew with `overwrite=True`"


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What the runs of a sweep write, and how they go on.

    Args:
        record: Returns what `config.json` is to hold for some options.
        outcome: What is written of each network.
        resume: Whether to go on with the sweep that lies there.
        overwrite: Whether to throw it away.
        command: What was typed, for the page of all.
        command_of: Returns what would make one network alone in its folder, for its own report.
        options: Returns what `options.yaml` is to hold for some options; None writes none.
        watch: Returns what shows the steps of a run in a folder.
    """

    record: Callable[[PruneConfig], Mapping[str, Any]]
    outcome: OutcomeOptions
    resume: bool = False
    overwrite: bool = False
    command: str = ""
    command_of: Callable[[PruneConfig, RunDirectory], str] = lambda config, run: ""
    options: Callable[[PruneConfig], str] | None = None
    watch: Callable[[RunDirectory], AbstractContextManager[OnPhase | None]] = lambda directory: nullcontext()


def run_sweep(
    directory: RunDirectory, plan: Plan, writing: Writing, *, settle: Callable[[], Settled]
) -> Sweep:
    """Make the networks of a plan, each in a folder of its own, and a report of all.

    A sweep that was killed goes on with the run that it was at; those that are finished are not touched. A budget that
    no method can meet is refused before anything is written.

    Args:
        directory: Where the folders of the runs lie; the caller has claimed it.
        plan: The options.
        writing: What is written, and how to go on.
        settle: Returns what is pruned for what; not called where everything is there.

    Raises:
        StampError: If the folder is not that of this sweep, or a network cannot be made or written as asked.
    """
    folders = dict(zip(plan.names, plan.configs, strict=True))
    record = dict(writing.record(plan.config))
    lists = {name: list(values) for name, values in plan.lists.items()}
    record = {name: value for name, value in record.items() if name not in lists}
    record["options"] = {name: value for config in plan.configs for name, value in config.options.items()}
    record["sweep"] = {**lists, "runs": list(folders)}
    if writing.resume:
        start_run(directory, record, resume=True, overwrite=False)
        if _is_whole(directory, folders):
            return read_sweep(directory)
    for name in folders:
        run = RunDirectory(directory.path / name)
        check(run, overwrite=run.config.exists())
        if run.config.exists() and run.is_finished:
            _report_of(run)
    # One full network beside all.
    settled = replace(settle(), full_network=directory.full_network)
    target = Target.of(settled.reference, settled.dataset, kept=settled.kept)
    for config in plan.configs:
        check_reachable(ChannelCut(target.reference.channel_map, target.cost, rules=rules_of(config)), config)
    if not writing.resume:
        start_run(directory, record, resume=False, overwrite=writing.overwrite)
    for number, (name, config) in enumerate(folders.items(), start=1):
        logger.info("Network %d of %d: %s.", number, len(folders), name)
        _make(RunDirectory(directory.path / name), config, writing, settled=settled)
    sweep = _summed_up(directory, folders, target, command=writing.command)
    write_sweep(sweep, directory)
    return sweep


def read_sweep(directory: RunDirectory) -> Sweep:
    """Return what a finished sweep found.

    Args:
        directory: Its folder.

    Raises:
        StampError: If its report is damaged.
    """
    return read_record(directory.report_json, Sweep, remedy=_REMEDY)


def _is_whole(directory: RunDirectory, names: Iterable[str]) -> bool:
    """Return whether a sweep is finished, and every network of it is still there."""
    runs = (RunDirectory(directory.path / name) for name in names)
    return directory.is_finished and all(run.config.exists() and run.is_finished for run in runs)


def _report_of(run: RunDirectory) -> Report:
    remedy = "delete it, and `resume=True` makes it anew"
    return read_record(run.report_json, Report, remedy=remedy)


def _make(run: RunDirectory, config: PruneConfig, writing: Writing, *, settled: Settled) -> None:
    """Make one network, unless it is there."""
    if run.config.exists() and run.is_finished:
        # What a process left that was killed at its very end goes.
        with held(run):
            logger.info("%s is finished; nothing was changed.", run.path)
        return
    # Where a run was begun and has no state, such as one that gives way to a new sweep, there is nothing to go on with.
    resume = run.checkpoints.exists() or run.masks.exists()
    overwrite = run.config.exists() and not resume
    with (
        claimed(run, resume=resume, overwrite=overwrite, command="prune"),
        nullcontext() if writing.options is None else recording(run, writing.options(config)),
        writing.watch(run) as on_step,
    ):
        prune_into(
            run,
            settled,
            config,
            record=writing.record(config),
            outcome=writing.outcome,
            resume=resume,
            overwrite=overwrite,
            command=writing.command_of(config, run),
            on_step=on_step,
        )


def _summed_up(
    directory: RunDirectory, folders: Mapping[str, PruneConfig], target: Target, *, command: str
) -> Sweep:
    """Read the reports of all runs."""
    reports = {name: _report_of(RunDirectory(directory.path / name)) for name in folders}
    config, report = next(iter(folders.values())), next(iter(reports.values()))
    full = next((one.full for one in reports.values() if one.full is not None), None)
    return Sweep(
        backbone=report.backbone,
        dataset=report.dataset,
        epochs=config.finetune.num_epochs,
        full_accuracy=_tested(target, config) if full is None else full.accuracy,
        full_tuned_accuracy=None if full is None else full.tuned_accuracy,
        full_params=report.full_params,
        full_flops=report.full_flops,
        head=first_head(config, target.reference),
        runs=tuple(SweptRun.of(name, folders[name], report) for name, report in reports.items()),
        command=command,
    )


def _tested(target: Target, config: PruneConfig) -> float:
    """Return what the full network is worth, which reports of before do not say."""
    full = teacher_of(target, config)
    return evaluate_accuracy(full, target.dataset.test, normalization=target.normalization)
