"""Train the pruned network of a run further, and bring its files up to date."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from stamp_tf.compression.compressor import Compressor
from stamp_tf.data import DataSet
from stamp_tf.data.identity import describe
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.measure.memory import peak_bytes
from stamp_tf.on_step import OnStep
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.outcome import COMPRESS_EPOCHS
from stamp_tf.pruned_runs.cut_from import check_cut_from, reference_of_run
from stamp_tf.pruned_runs.evaluate import run_counts
from stamp_tf.pruned_runs.exports import check_exports, exports_of, training_images, write_exports
from stamp_tf.pruned_runs.masks import read_masks
from stamp_tf.pruned_runs.measure_files import measure_files
from stamp_tf.pruned_runs.pruned_run import PrunedRun, load_run
from stamp_tf.pruned_runs.weights import read_weights
from stamp_tf.pruned_runs.write import write_metrics
from stamp_tf.pruning.full_network import full_network
from stamp_tf.references.find import find_reference
from stamp_tf.references.reference import Reference
from stamp_tf.report.history import HistoryEntry, history_entry
from stamp_tf.report.page import write_report
from stamp_tf.report.report import Report
from stamp_tf.report.tested import Tested
from stamp_tf.storage.claims import held, start_run
from stamp_tf.storage.records import read_record
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.writing import writing
from stamp_tf.training.accuracy import TestCounts
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.training.finetune import finetune, warn_of_tested

logger = logging.getLogger(__name__)

_RATE = 0.01


def train_further(
    run: PrunedRun | str | Path,
    dataset: DataSet | str | None = None,
    *,
    config: FinetuneConfig | None = None,
    reference: Reference | str | Path | None = None,
    resume: bool = False,
    command: str = "",
    on_step: OnStep | None = None,
) -> Report:
    """Fine-tune further, then replace the report and all that was exported into the run's folder.

    Until the end the run's files stay as they were; the states on the way, and the new files, lie in a folder of
    their own. A kill leaves either the run as it was, with states to go on from, or the new one.

    Args:
        run: A run directory of `prune`, or what `load_run` returned.
        dataset: Its data set or another one of the same classes, in any order; None loads the run's own.
        config: Options; without a rate 0.01, for a network that is trained already, and without `clip_norm` the
            run's.
        reference: What the run was cut from, for `config.distill`; None finds it where the run did.
        resume: Go on from the last state on the way.
        command: What was typed, for the report.
        on_step: Called with (steps done, all steps, figures) after each step.

    Returns:
        The run's new report.

    Raises:
        StampError: If there is no complete run, or its data set, state or reference does not fit.
    """
    path = run.run.path if isinstance(run, PrunedRun) else Path(run)
    directory = RunDirectory(path)
    directory.read_pruned_config()
    with held(directory):
        # Where the file system has no locks, nobody has done it yet.
        with writing(directory.path):
            directory.settle()
        pruned = run if isinstance(run, PrunedRun) else load_run(path)
        return _continue(
            pruned,
            dataset,
            config=config,
            reference=reference,
            resume=resume,
            command=command,
            on_step=on_step,
        )


def finished_report(run: RunDirectory) -> Report:
    """Return the report of a run whose further training is complete, for a command that is to go on with it.

    Args:
        run: The run.

    Raises:
        StampError: If no further training was begun.
    """
    report = read_record(run.report_json, Report, remedy="prune again")
    if all(entry.step != "finetune" for entry in report.history):
        raise StampError(
            f"`resume=True` needs an interrupted finetune, but none was begun in {run.path}; leave `resume=True` out."
        )
    logger.info("%s is finished; nothing was changed.", run.path)
    return report


def _continue(
    run: PrunedRun,
    dataset: DataSet | str | None,
    *,
    config: FinetuneConfig | None,
    reference: Reference | str | Path | None,
    resume: bool,
    command: str,
    on_step: OnStep | None,
) -> Report:
    """Fine-tune in a folder that is held, see `train_further`."""
    way = run.run.further_training
    if resume and not way.config.exists():
        return finished_report(run.run)
    config = _settled(config or FinetuneConfig(), run)
    check_exports(run.run, exports_of(run.run))
    report = read_record(run.run.report_json, Report, remedy="prune again")
    _check_same_network(run, report)
    weights = read_weights(run.run, report)
    cut_from = _reference(run, reference) if config.distill else None
    dataset = run.fitted(dataset) if isinstance(dataset, DataSet) else run.load_dataset(dataset)
    doubt = run.warn_if_in_doubt(dataset)
    teacher = None if cut_from is None else _teacher(run, cut_from, dataset, seed=config.seed)
    if not resume and any(way.checkpoints.glob("step-*.npz")):
        logger.warning("Warning: the interrupted finetune in %s is thrown away.", run.run.path)
    options = {"command": "finetune", **describe(dataset), **asdict(config)}
    start_run(way, options, resume=resume, overwrite=not resume)
    try:
        records = finetune(
            run.model,
            dataset,
            normalization=run.normalization,
            config=config,
            end=run.end,
            teacher=teacher,
            weights=weights,
            checkpoints=way.checkpoints,
            on_step=on_step,
        )
    except DivergenceError as error:
        raise DivergenceError(f"{error} The files of {run.run.path} are as they were.") from None
    counts = run_counts(run, dataset)
    warn_of_tested(records, counts.accuracy, dataset=dataset, config=config)
    step = history_entry(
        "finetune",
        dataset,
        test_accuracy=counts.accuracy,
        test_images=counts.num_images,
        epochs=records[-1].epoch,
        seconds=records[-1].seconds,
        command=command,
        doubt=doubt,
    )
    return _written(run, dataset, _continued(report, records, step, config=config), counts=counts)


def _reference(run: PrunedRun, given: Reference | str | Path | None) -> Reference:
    """Return the network that a run was cut from."""
    masks, option = read_masks(run.run.path), "`distill`"
    reference = (
        reference_of_run(masks, option=option) if given is None else find_reference(given, backbone="")
    )
    check_cut_from(masks, reference, option=option)
    return reference


def _teacher(run: PrunedRun, cut_from: Reference, dataset: DataSet, *, seed: int) -> keras.Model:
    head = run.config.get("head")
    return full_network(cut_from, dataset, normalization=run.normalization, head=head, seed=seed)


def _settled(config: FinetuneConfig, run: PrunedRun) -> FinetuneConfig:
    """Fill in the options that a run decides."""
    return dataclasses.replace(
        config,
        epochs=config.num_epochs,
        # Whoever trains further has decided that there is more to learn.
        done_at_loss=config.done_at_loss or 0.0,
        learning_rate=_RATE if config.learning_rate is None else config.learning_rate,
        clip_norm=run.config.get("clip_norm") if config.clip_norm is None else config.clip_norm,
    )


def _written(run: PrunedRun, dataset: DataSet, report: Report, *, counts: TestCounts) -> Report:
    """Write the network in every format of its run and the report, and let them take the place of the old files."""
    way = run.run.further_training
    files = write_exports(
        run.network,
        way,
        exports_of(run.run),
        class_names=run.class_names,
        normalization=run.normalization,
        images=lambda: training_images(dataset, seed=run.data.get("seed", 0)),
        compress=Compressor(
            run.network,
            lambda: dataset,
            normalization=run.normalization,
            epochs=COMPRESS_EPOCHS,
            seed=run.data.get("seed", 0),
        ),
        replaces=run.run,
    )
    # Its size is as it was, and so is its speed.
    latencies = {file.path: file.latency for file in report.files}
    files = tuple(dataclasses.replace(file, latency=latencies.get(file.path)) for file in files)
    files = measure_files(files, way.path, images=dataset.test, speed=False)
    tested = Tested.of(counts, run.class_names)
    report = dataclasses.replace(report, calling=run.calling.to_json(), files=files, tested=tested)
    write_metrics(way, report.curve)
    write_report(report, way, pictures=[one.pixels for one in counts.mistakes])
    # The one step that decides: before it the run is as it was, after it all that is left to do is to move files.
    with writing(run.run.path):
        os.replace(way.path, run.run.finished_training.path)
        run.run.settle()
    return report


def _check_same_network(run: PrunedRun, report: Report) -> None:
    """Refuse files of several runs in one folder: the new report would tell of one network and another be trained.

    Raises:
        StampError: If the report is of a network of another size, or of other channels than the masks.
    """
    remedy = "bring back the files that belong together, or prune again"
    num_params = sum(math.prod(weight.shape) for weight in run.model.trainable_weights)
    expected = report.params if report.sparse is None else report.full_params
    if num_params != expected:
        raise StampError(
            f"{run.run.report_json} must be of the network in {run.run.model.name}, which has {num_params:,} "
            f"parameters, but is of one with {expected:,}; {remedy}."
        )
    if run.run.masks.exists() and tuple(report.groups) != read_masks(run.run.path).groups:
        raise StampError(
            f"{run.run.report_json} must be of the channels in {run.run.masks.name}, but is of others; {remedy}."
        )


def _continued(
    report: Report, records: Sequence[EpochRecord], step: HistoryEntry, *, config: FinetuneConfig
) -> Report:
    """Append a step: its epochs to the curve, its seconds to the times, its data and accuracy to the headline."""
    history, curve = (*report.history, step), list(report.curve)
    last = (
        curve[-1]
        if curve
        else EpochRecord(epoch=0, seconds=0.0, train_loss=None, test_accuracy=report.test_accuracy)
    )
    # On the same data the first record repeats the last point; on other data it is where a new line begins.
    is_new = not step.is_on_data_of(report.history[-1])
    for record in records if is_new else records[1:]:
        curve.append(
            dataclasses.replace(
                record,
                epoch=last.epoch + record.epoch,
                seconds=last.seconds + record.seconds,
                entry=len(history) - 1,
            )
        )
    seconds = records[-1].seconds
    last_step: dict[str, Any] = {"train_images": step.train_images, "test_images": step.test_images}
    if config.distill_in_words is not None:
        last_step["distill"] = config.distill_in_words
    return dataclasses.replace(
        report,
        dataset=step.dataset if is_new else report.dataset,
        test_accuracy=step.test_accuracy,
        seconds=report.seconds + seconds,
        times={**report.times, "finetune": report.times.get("finetune", 0.0) + seconds},
        curve=tuple(curve),
        details={**report.details, **last_step, "epochs": curve[-1].epoch if curve else 0},
        history=history,
        command=step.command,
        # Of other images it would be no figure to compare with.
        full=None if is_new else report.full,
        peak_bytes=peak_bytes(),
    )
