"""`stamp-tf export`: the network of a run in another format or place."""

import dataclasses
import os
from functools import cache
from pathlib import Path
from typing import Any

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.idle import EXPORT
from stamp_cli.images import check_is_there
from stamp_cli.terminal import say
from stamp_cli.values import FilePath, RegisteredName
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.options.compression import compressed_formats
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.outcome import OutcomeOptions

_COMPRESS = (
    "Train the network further by TensorFlow Model Optimization first: half of the weights zeros, or 16 values a "
    "kernel, both smaller once zipped but no faster; or used to 8 bits, for litert-int8."
)


@click.command(cls=Command, idle=EXPORT)
@click.argument("run", type=FilePath())
@click.option(
    "--format",
    "exporter",
    type=RegisteredName("stamp_tf.exporters"),
    default="saved-model",
    show_default=True,
    help="What to write.",
)
@click.option(
    "--to",
    "target",
    type=FilePath(),
    help="Where to write it.  [default: in the run's folder]",
)
@takes(
    OutcomeOptions,
    "outcome",
    only=["compress", "compress_epochs"],
    compress={"help": _COMPRESS},
)
@takes(
    DatasetOptions,
    "data",
    only=["dataset"],
    dataset={
        "help": "Images to calibrate 8 bits on, or to compress on.",
        "default_in_words": "the run's own",
    },
)
def command(
    run: Path, exporter: str, target: Path | None, outcome: OutcomeOptions, data: DatasetOptions
) -> None:
    """Write a network in a format for serving or training.

    RUN is a folder that prune wrote. An earlier SavedModel or .keras file in the same place is replaced, whole or not
    at all; other formats within the folder of the run alone, where they are noted and the report lists them.
    """
    from stamp_tf.storage.claims import held
    from stamp_tf.storage.run_directory import RunDirectory

    directory = RunDirectory(run)
    directory.read_pruned_config()
    (format_name,) = compressed_formats([exporter], outcome.compress) or (exporter,)
    if target is not None and exporter == "keras":
        _check_replaceable(target)
    check_is_there(data)
    load_tensorflow()
    from stamp_cli.report_tables import figures_of
    from stamp_tf.compression.compressor import Compressor, check_can_compress
    from stamp_tf.pruned_runs.exports import file_of, place_of, training_images, write_export
    from stamp_tf.pruned_runs.list_exports import list_exports
    from stamp_tf.pruned_runs.measure_files import measure_files
    from stamp_tf.pruned_runs.pruned_run import load_run

    if outcome.compress is not None:
        check_can_compress(outcome.compress)
    target = target or place_of(directory, format_name)
    is_inside = Path(os.path.realpath(target)).is_relative_to(os.path.realpath(directory.path))
    if is_inside:
        click.get_current_context().with_resource(held(directory))
    pruned = load_run(run)
    seed = pruned.data.get("seed", 0)
    load = cache(lambda: pruned.load_dataset(data.dataset, allow_subset=outcome.compress is None))
    written = write_export(
        pruned.network,
        directory,
        format_name,
        path=target,
        class_names=pruned.class_names,
        normalization=pruned.normalization,
        images=lambda: training_images(load(), seed=seed),
        compress=Compressor(
            pruned.network,
            load,
            normalization=pruned.normalization,
            epochs=outcome.compress_epochs,
            seed=seed,
        ),
    )
    is_compressed = outcome.compress is not None
    files = [
        file_of(place, path=str(place.absolute()), format_name=format_name, zipped=is_compressed)
        for place in written
    ]
    if is_compressed:
        files[:1] = measure_files(files[:1], directory.path, images=load().test, speed=True)
    if is_inside:
        # Of other images than the run's own an accuracy is none to stand beside the others.
        unknown: dict[str, Any] = {} if data.dataset is None else {"accuracy": None, "test_images": None}
        list_exports(directory, [dataclasses.replace(file, **unknown) for file in files])
    say(f"Wrote {written[0]}" + (f"  ({figures_of(files[0])})" if is_compressed else ""))


def _check_replaceable(target: Path) -> None:
    """Refuse a file that `export` did not write, such as the model that was pruned."""
    from stamp_tf.export.card import is_export

    if target.is_file() and not is_export(target):
        raise StampError(
            f"--to must be new or an earlier export, but {target} is another file; choose another name."
        )
