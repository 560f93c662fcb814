"""`stamp-tf export`: the network of a run in another format or place."""

import os
from pathlib import Path

import click

from stamp_cli.command import Command
from stamp_cli.terminal import say
from stamp_cli.values import FilePath, RegisteredName
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError


@click.command(cls=Command)
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
def command(run: Path, exporter: str, target: Path | None) -> None:
    """Write a network in a format for serving or training.

    RUN is a folder that prune wrote. An earlier SavedModel or .keras file in the same place is replaced, whole or not
    at all; other formats within the folder of the run alone, where they are noted.
    """
    from stamp_tf.storage.claims import held
    from stamp_tf.storage.run_directory import RunDirectory

    directory = RunDirectory(run)
    directory.read_pruned_config()
    if target is not None and exporter == "keras":
        _check_replaceable(target)
    load_tensorflow()
    from stamp_tf.pruned_runs.exports import place_of, training_images, write_export
    from stamp_tf.pruned_runs.pruned_run import load_run

    target = target or place_of(directory, exporter)
    if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(directory.path)):
        click.get_current_context().with_resource(held(directory))
    pruned = load_run(run)
    written, *_ = write_export(
        pruned.network,
        directory,
        exporter,
        path=target,
        class_names=pruned.class_names,
        normalization=pruned.normalization,
        images=lambda: training_images(
            pruned.load_dataset(allow_subset=True), seed=pruned.data.get("seed", 0)
        ),
    )
    say(f"Wrote {written}")


def _check_replaceable(target: Path) -> None:
    """Refuse a file that `export` did not write, such as the model that was pruned."""
    from stamp_tf.export.keras_file import is_export

    if target.is_file() and not is_export(target):
        raise StampError(
            f"--to must be new or an earlier export, but {target} is another file; choose another name."
        )
