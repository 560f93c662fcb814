"""`stamp-tf compare`: which channels runs share, and what swapping their masks costs."""

from pathlib import Path

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.idle import COMPARE
from stamp_cli.progress import Progress
from stamp_cli.terminal import make_console, say
from stamp_cli.values import FilePath, typed
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.options.network import NetworkOptions

# More runs make more pairs than a terminal has columns for.
_MOST_RUNS_BY_LAYER = 3
_PIPE_WIDTH = 160


@click.command(cls=Command, idle=COMPARE)
@click.argument("runs", nargs=-1, type=FilePath(), metavar="RUN RUN...")
@click.option("--swap", is_flag=True, help="Measure every run's masks on every run's data set, too.")
@takes(
    NetworkOptions,
    "network",
    only=["reference"],
    reference={"help": "Reference network for `swap`.", "default_in_words": "that of each run"},
)
@click.option(
    "--output",
    type=FilePath(),
    help="Folder for compare.json and compare.html with pictures.",
)
@click.option("--overwrite", is_flag=True, help="Replace the comparison in --output.")
def command(
    runs: tuple[Path, ...], network: NetworkOptions, swap: bool, output: Path | None, overwrite: bool
) -> None:
    """Show which channels runs share and what swapping masks costs.

    Each RUN is a folder that prune wrote, all of one backbone. Shared channels are counted as IoU: channels
    that both keep / channels that either keeps. --swap slices the reference of each run by the masks of every
    run, recalibrates batch-norm statistics and fits a head, without a gradient step; it needs
    the reference and the data set.
    """
    if output is not None:
        from stamp_tf.comparison.page import check_output, write_comparison

        check_output(output, overwrite=overwrite)
    from stamp_tf.comparison.compare import compare

    comparison = compare(runs)
    if swap:
        load_tensorflow()
        from stamp_tf.comparison.swap import add_swaps

        with Progress() as progress:
            comparison = add_swaps(comparison, reference=network.reference, on_step=progress.of("Swapping"))
    if output is not None:
        write_comparison(comparison, output, overwrite=overwrite, command=typed())

    from stamp_cli.comparison_tables import layers_table, matrix_table, runs_table, swaps_table

    # Wide enough that few rows are folded.
    console = make_console(pipe_width=_PIPE_WIDTH)
    tables = [runs_table(comparison)]
    tables.append((layers_table if len(runs) <= _MOST_RUNS_BY_LAYER else matrix_table)(comparison))
    if comparison.swaps:
        tables.append(swaps_table(comparison))
    for index, table in enumerate(tables):
        if index:
            console.print()
        console.print(table)
    if output is not None:
        say("")
        say(f"Page  {output / 'compare.html'}")
