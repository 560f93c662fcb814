"""Everything that leaves a pruning run: masks, networks, figures and the report."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.backbones.end import put_back
from stamp_tf.compression.compressor import Compressor
from stamp_tf.data import DataSet
from stamp_tf.data.identity import describe
from stamp_tf.errors import StampError
from stamp_tf.measure.speed import large_batch, measure_speed
from stamp_tf.options.outcome import COMPRESS_EPOCHS, DEFAULT_EXPORTS
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruned_runs.exports import (
    check_exports,
    exports_of,
    places_of,
    training_images,
    write_exports,
)
from stamp_tf.pruned_runs.measure_files import measure_files
from stamp_tf.pruned_runs.report_of import report_of
from stamp_tf.pruned_runs.weights import write_weights
from stamp_tf.pruning.measure_full import with_full
from stamp_tf.pruning.result import PruneResult
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.references.reference import Reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.report.page import write_report
from stamp_tf.report.report import ExportedFile, Report, SpeedRow
from stamp_tf.report.rows import speed_rows
from stamp_tf.storage.claims import held
from stamp_tf.storage.files import write_bytes_atomic
from stamp_tf.storage.overwriting import contents, in_the_way
from stamp_tf.storage.records import encode, write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.training.epoch_record import EpochRecord

logger = logging.getLogger(__name__)


def export_run(
    result: PruneResult,
    run_dir: str | Path,
    *,
    exports: Sequence[str] = DEFAULT_EXPORTS,
    compress_epochs: int = COMPRESS_EPOCHS,
    speed: bool = True,
    batch_sizes: Sequence[int] | None = None,
    training_batch_sizes: Sequence[int] | None = None,
    repeats: int = 20,
    max_seconds: float = 2.0,
    dollars_per_hour: float | None = None,
    command: str = "",
) -> Report:
    """Write masks, the network in each format, metrics and report into a run directory.

    Each file is written whole or not at all; `report.json` comes last, so that where it is the rest is too. What was
    exported into the folder before is written anew, so that all of it is of one network.

    Args:
        result: What `prune` returned.
        run_dir: The folder: new, empty, or of a run.
        exports: Names of exporters, as `stamp-tf plugins` lists them. The `.keras` file is written in any case, as
            whatever goes on with the run reads it. Behind a plus how the network is compressed first, see
            `stamp_tf.options.compression`: `litert-int8+qat`.
        compress_epochs: Passes over the training images that a compression takes.
        speed: Whether to measure the pruned network against the full one, and how long each file takes for an image.
        batch_sizes: Batch sizes of the measured inference; None for 1 and 128, fewer of large images.
        training_batch_sizes: Batch sizes of the measured training steps; None for the larger of those.
        repeats: Rounds per batch size.
        max_seconds: No new round (after three) once a batch size has taken this long.
        dollars_per_hour: Price of the machine, for the expense; None leaves it out.
        command: What was typed, for the report.

    Returns:
        The report, as written.

    Raises:
        StampError: If the folder holds something else or cannot be written, or the network cannot be exported.
        RegistryError: If there is no such exporter.

    Example:
        >>> stamp_tf.export_run(result, "runs/digits", exports=["saved-model", "arrays"])
    """
    if not isinstance(result, PruneResult):
        raise StampError(
            f"`result` must be what stamp_tf.prune returned, but is of type {type(result).__name__}; prune first."
        )
    check_arguments(
        exports=(exports, tuple[str, ...]),
        compress_epochs=(compress_epochs, int),
        speed=(speed, bool),
        batch_sizes=(batch_sizes, tuple[int, ...] | None),
        training_batch_sizes=(training_batch_sizes, tuple[int, ...] | None),
        repeats=(repeats, int),
        max_seconds=(max_seconds, float),
        dollars_per_hour=(dollars_per_hour, float | None),
        command=(command, str),
    )
    run = RunDirectory(as_path(run_dir, "run_dir"))
    with held(run):
        if result.full is None:
            result = with_full(result)
        started = time.perf_counter()
        files = _write(result, run, exports, compress_epochs=compress_epochs)
        times = {**result.times, "export": time.perf_counter() - started}
        started = time.perf_counter()
        rounds: dict[str, Any] = {"repeats": repeats, "max_seconds": max_seconds}
        rows: Sequence[SpeedRow] = ()
        if speed:
            rows = _measured(result, batch_sizes, training_batch_sizes, **rounds)
        files = measure_files(files, run.path, images=result.dataset.test, speed=speed, **rounds)
        if speed or any(file.accuracy is not None for file in files):
            times["measure"] = time.perf_counter() - started
        report = report_of(
            result, times=times, command=command, speed=rows, files=files, dollars_per_hour=dollars_per_hour
        )
        write_report(report, run, pictures=[one.pixels for one in result.counts.mistakes])
        return report


def _write(
    result: PruneResult, run: RunDirectory, exporters: Sequence[str], *, compress_epochs: int
) -> tuple[ExportedFile, ...]:
    """Write everything but the report into a folder that is held; return what exporters wrote."""
    is_new = not contents(run.path)
    if not is_new:
        _check_folder(run)
    exports = exports_of(run) | places_of(run, exporters)
    check_exports(run, exports)
    if is_new:
        write_json_atomic(run.config, config_of(result.dataset, result.reference, result.config))
    write_json_atomic(run.masks, _masks(result))
    write_weights(run, result.weights)
    files = write_exports(
        result.model,
        run,
        exports,
        class_names=result.dataset.class_names,
        normalization=result.normalization,
        images=lambda: training_images(result.dataset, seed=result.config.seed),
        compress=Compressor(
            result.model,
            lambda: result.dataset,
            normalization=result.normalization,
            epochs=compress_epochs,
            seed=result.config.seed,
        ),
    )
    write_metrics(run, result.records)
    return files


def _check_folder(run: RunDirectory) -> None:
    """Refuse a folder that is not a run's, or in which something is in the way."""
    if not run.config.exists():
        raise StampError(
            f"`run_dir` must be new, empty or the folder of a run, but {run.path} has no {run.config.name}; choose "
            "another."
        )
    if (foreign := in_the_way(run)) is not None:
        raise StampError(
            f"`run_dir` must hold nothing in the way of the run, but {foreign} is, which no run wrote; move it, or "
            "choose another."
        )


def write_metrics(run: RunDirectory, curve: Sequence[EpochRecord]) -> None:
    """Write fine-tuning, epoch by epoch, into a run's folder."""
    write_bytes_atomic(run.metrics, b"".join(encode(asdict(record)) for record in curve))


def _measured(
    result: PruneResult,
    batch_sizes: Sequence[int] | None,
    training_batch_sizes: Sequence[int] | None,
    **rounds: Any,
) -> tuple[SpeedRow, ...]:
    """Measure the pruned network against the full one; `rounds` are those of `measure_speed`."""
    logger.info("Measuring the speed of the full and the pruned network.")
    end = result.reference.backbone.end
    full = result.reference.backbone.build(num_classes=result.dataset.num_classes)
    transfer_weights(result.reference.model, full)
    large = large_batch(result.reference.backbone.input_shape)
    measured = measure_speed(
        {"full": put_back(full, end), "pruned": result.model},
        batch_sizes=(1, large) if batch_sizes is None else batch_sizes,
        training_batch_sizes=(large,) if training_batch_sizes is None else training_batch_sizes,
        **rounds,
    )
    return speed_rows(measured, "full", "pruned")


def flat_options(config: PruneConfig) -> dict[str, Any]:
    """Return the options of pruning without nesting, as a run's config.json has them."""
    options = asdict(config)
    finetuning = options.pop("finetune")
    # The seed is that of the run, and whether images are mirrored is said with the data set.
    return {name: value for name, value in finetuning.items() if name not in ("seed", "flip")} | options


def config_of(dataset: DataSet, reference: Reference, config: PruneConfig) -> dict[str, Any]:
    """Return what `config.json` holds of a run that was started from Python.

    Args:
        dataset: The target.
        reference: What was pruned.
        config: The options.
    """
    return {
        "command": "prune",
        **describe(dataset),
        "backbone": reference.backbone.to_config(),
        **flat_options(config),
    }


def _masks(result: PruneResult) -> dict[str, Any]:
    """Return kept channel indices and widths by group, the full network that they number, and the classes.

    The reference's fingerprint is here and not in config.json, because a file of weights may change under the
    path that the options name.
    """
    channel_map = result.reference.channel_map
    kept = channel_map.kept(result.mask)
    return {
        "backbone": result.reference.backbone.with_num_classes(result.dataset.num_classes).to_config(),
        "reference": fingerprint(result.reference),
        "class_names": result.dataset.class_names,
        "sizes": {group.name: group.size for group in channel_map.groups},
        "widths": {name: len(indices) for name, indices in kept.items()},
        "kept": kept,
    }
