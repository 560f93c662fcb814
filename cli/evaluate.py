"""`stamp-tf evaluate`: the accuracy of the network of a run."""

from pathlib import Path

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.idle import DATASET
from stamp_cli.images import check_is_there
from stamp_cli.terminal import say
from stamp_cli.values import FilePath
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.options.data import DatasetOptions


@click.command(cls=Command, idle=DATASET)
@click.argument("run", type=FilePath())
@takes(
    DatasetOptions,
    "data",
    without=["train_size", "flip", "seed"],
    dataset={"default_in_words": "the run's own"},
)
def command(run: Path, data: DatasetOptions) -> None:
    """Measure a network's accuracy on a data set.

    RUN is a folder that prune wrote. Where a data set brings no test images, those that the run held out are
    taken. Classes are found by their names, in any order; another data set may have fewer than the network.
    """
    from stamp_tf.storage.run_directory import RunDirectory

    RunDirectory(run).read_pruned_config()
    check_is_there(data)
    load_tensorflow()
    from stamp_tf.pruned_runs.evaluate import run_counts
    from stamp_tf.pruned_runs.pruned_run import load_run

    pruned = load_run(run)
    dataset = pruned.load_dataset(
        data.dataset,
        data_dir=data.data_dir,
        download=data.download,
        skip_corrupt=data.skip_corrupt,
        allow_subset=True,
    )
    pruned.warn_if_in_doubt(dataset)
    counts = run_counts(pruned, dataset)
    num_classes = len(pruned.class_names)
    classes = (
        "" if counts.num_classes == num_classes else f" of {counts.num_classes} of {num_classes} classes"
    )
    say(
        f"Test accuracy  {100 * counts.accuracy:.2f} % of {counts.num_images:,} images{classes} ({dataset.name})"
    )
