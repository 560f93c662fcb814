"""`stamp-tf evaluate`: the accuracy of a network, as a whole and class by class."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.idle import DATASET
from stamp_cli.images import check_is_there
from stamp_cli.progress import Progress
from stamp_cli.targets import check_targets
from stamp_cli.terminal import make_console, say
from stamp_cli.values import FilePath, typed
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.quantities import percent

if TYPE_CHECKING:
    from stamp_tf.pruned_runs.evaluation import Evaluation

# Of more classes than fit on a screen those are shown that suffer most.
_MOST_CLASSES = 12
_MOST_CONFUSIONS = 5
_MOST_MISTAKES = 3


@click.command(cls=Command, idle=DATASET)
@click.argument("model", type=FilePath())
@takes(
    DatasetOptions,
    "data",
    without=["train_size", "flip", "seed"],
    dataset={"default_in_words": "the run's own"},
)
@takes(
    NetworkOptions,
    "network",
    only=["pixels"],
    pixels={"help": "What the images of a file of your own are scaled to."},
)
@click.option("--json", "json_file", type=FilePath(), help="File for all figures as JSON.")
@click.option("--html", type=FilePath(), help="File for a page with mistakes as pictures.")
def command(
    model: Path, data: DatasetOptions, network: NetworkOptions, json_file: Path | None, html: Path | None
) -> None:
    """Measure a network's accuracy on a data set.

    MODEL is a folder that prune wrote, a network of any format that was exported, or a .keras or .h5 file of your own.
    Where a data set brings no test images, those that the run held out are taken. Classes are found by their
    names, in any order; another data set may have fewer than the network.
    """
    from stamp_tf.storage.run_directory import RunDirectory

    if not model.exists():
        raise StampError(
            f"MODEL must be a run's folder or a network, but {model} is not there; check the path."
        )
    if RunDirectory(model).config.exists():
        RunDirectory(model).read_pruned_config()
    check_is_there(data)
    check_targets({"--json": json_file, "--html": html}, inputs=[model])
    load_tensorflow()
    from stamp_tf.pruned_runs.evaluate import evaluated
    from stamp_tf.storage.records import write_json_atomic

    with Progress() as progress:
        found = evaluated(model, data, pixels=network.pixels, on_step=progress.of("Evaluating"))
    show(found)
    if json_file is not None:
        write_json_atomic(json_file, found.to_json())
        say(f"Wrote {json_file}")
    if html is not None:
        from stamp_tf.pruned_runs.evaluation_page import write_evaluation

        write_evaluation(found, html, command=typed())
        say(f"Wrote {html}")


def show(found: "Evaluation") -> None:
    """Print the accuracy, a table of classes that fits on a screen, what is confused most and wrong most surely.

    Args:
        found: The figures.
    """
    counts, num_classes = found.counts, len(found.class_names)
    low, high = found.interval
    some = "" if counts.num_classes == num_classes else f" of {counts.num_classes} of {num_classes} classes"
    say(
        f"Test accuracy  {100 * counts.accuracy:.2f} % of {counts.num_images:,} images{some}, {100 * low:.1f} to "
        f"{100 * high:.1f} with 95 % certainty ({found.dataset})"
    )
    _show_classes(found)
    confusions = found.confusions()
    if num_classes > 2 and confusions:
        most = ", ".join(
            f"{name} for {other} {count:,}" for name, other, count in confusions[:_MOST_CONFUSIONS]
        )
        more = (
            f", and {len(confusions) - _MOST_CONFUSIONS:,} more" if len(confusions) > _MOST_CONFUSIONS else ""
        )
        say(f"Most confused  {most}{more}")
    tested = found.tested
    sure = tested.calibration
    say(
        f"Calibration    {percent(sure.confidence)} sure on average; expected calibration error {percent(sure.error)} "
        "over 15 bins"
    )
    if tested.mistakes:
        most = ", ".join(
            f"{one.name} for {one.taken_for} at {percent(one.probability)} (image {one.place + 1:,})"
            for one in tested.mistakes[:_MOST_MISTAKES]
        )
        say(f"Surest wrong   {most}")


def _show_classes(found: "Evaluation") -> None:
    from rich.table import Table

    from stamp_cli.cells import name_cell

    every = found.classes()
    shown = every
    if len(every) > _MOST_CLASSES:
        shown = sorted(every, key=lambda one: (one.accuracy, -one.images))[:_MOST_CLASSES]
    table = Table(box=None, pad_edge=False)
    for heading in ("class", "images", "right", "95 %", "taken most often for"):
        table.add_column(
            heading, overflow="fold", justify="right" if heading in ("images", "right") else "left"
        )
    for one in shown:
        low, high = one.interval
        other = "" if one.taken_for is None else f"{one.taken_for[0]} ({one.taken_for[1]:,})"
        table.add_row(
            name_cell(one.name),
            f"{one.images:,}",
            f"{100 * one.accuracy:.1f} %",
            f"{100 * low:.1f} to {100 * high:.1f}",
            name_cell(other),
        )
    make_console().print(table)
    if len(shown) < len(every):
        say(f"... the worst {len(shown)} of {len(every)} classes; --json FILE has all")
