"""Train the pruned network of a run further, and bring its files up to date."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from stamp_tf.data import DataSet
from stamp_tf.errors import DivergenceError
from stamp_tf.export.export_run import export_networks
from stamp_tf.export.page import write_report
from stamp_tf.export.pruned_run import PrunedRun, load_run
from stamp_tf.export.report import CurvePoint, Report, report_from_json
from stamp_tf.runs import RunDirectory, read_json
from stamp_tf.training.evaluate import evaluate_accuracy
from stamp_tf.training.finetune import EpochRecord, FinetuneConfig, finetune

_RATE = 0.01


def continue_run(
    run: PrunedRun | str | Path,
    dataset: DataSet | str | None = None,
    *,
    config: FinetuneConfig | None = None,
    resume: bool = False,
    on_step: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> Report:
    """Fine-tune further, then replace the run's networks and report.

    Until the end the run's files stay as they were; the states on the way lie in a folder of their own, which
    goes once they are no longer needed.

    Args:
        run: A run directory of `prune`, or what `load_run` returned.
        dataset: Its data set or another one of the same classes; None loads the run's own.
        config: Options; without a rate 0.01, for a network that is trained already, and without `clip_norm` the
            run's.
        resume: Go on from the last state on the way.
        on_step: Called with (steps done, all steps, figures) after each step.

    Returns:
        The run's new report.

    Raises:
        StampError: If there is no complete run, or its data set or state does not fit.
    """
    run = run if isinstance(run, PrunedRun) else load_run(run)
    config = config or FinetuneConfig()
    config = dataclasses.replace(
        config,
        learning_rate=_RATE if config.learning_rate is None else config.learning_rate,
        clip_norm=run.config.get("clip_norm") if config.clip_norm is None else config.clip_norm,
    )
    report = report_from_json(read_json(run.run.report_json))
    if not isinstance(dataset, DataSet):
        dataset = run.load_dataset(dataset)
    way = further_training(run.run)
    way.start({**dataset.describe(), **asdict(config)}, resume=resume, overwrite=not resume)
    try:
        records = finetune(
            run.model,
            dataset,
            normalization=run.normalization,
            config=config,
            end=run.end,
            checkpoints=way.checkpoints,
            on_step=on_step,
        )
    except DivergenceError as error:
        raise DivergenceError(f"{error} The files of {run.run.path} are as they were.") from None
    accuracy = evaluate_accuracy(run.model, dataset.test, normalization=run.normalization)
    report = _continued(report, records, accuracy)
    export_networks(
        run.network,
        run.run,
        class_names=run.class_names,
        normalization=run.normalization,
        curve=report.curve,
    )
    write_report(report, run.run)
    shutil.rmtree(way.path)
    return report


def further_training(run: RunDirectory) -> RunDirectory:
    """Return where a run keeps the states of training that goes on."""
    return RunDirectory(run.path / "further_training")


def _continued(report: Report, records: Sequence[EpochRecord], accuracy: float) -> Report:
    """Append the epochs to a report's curve, and their seconds to its times."""
    curve = list(report.curve)
    last = curve[-1] if curve else CurvePoint(0, 0.0, None, report.test_accuracy)
    for record in records[1:]:
        values = asdict(record) | {
            "epoch": last.epoch + record.epoch,
            "seconds": last.seconds + record.seconds,
        }
        curve.append(CurvePoint(**values))
    seconds = records[-1].seconds
    return dataclasses.replace(
        report,
        test_accuracy=accuracy,
        seconds=report.seconds + seconds,
        times={**report.times, "finetune": report.times.get("finetune", 0.0) + seconds},
        curve=tuple(curve),
        details={**report.details, "epochs": curve[-1].epoch if curve else 0},
    )
