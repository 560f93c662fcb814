"""`stamp-tf benchmark`: the tables and figures of the papers, run again."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stamp_cli.command import Command
from stamp_cli.terminal import say
from stamp_cli.values import FilePath
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.benchmarking.cases import Case, Setup

_RENDER = "render"


@click.command(cls=Command)
@click.argument("suite")
@click.option(
    "--scale",
    default="cpu",
    show_default=True,
    help="How large its runs are: cpu, paper, or quick, which shows that all is well.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME=DATASET",
    help="A data set in place of the suite's, such as cifar10=npz:cifar10.npz; may be repeated.",
)
@click.option(
    "--from",
    "reference",
    type=FilePath(),
    help="Run directory or file of a reference network.  [default: the bundled one]",
)
@click.option("--rows", help="Keys of rows with commas between them.  [default: all]")
@click.option("--seeds", help="Seeds with commas between them.  [default: those of the scale]")
@click.option(
    "--run-dir",
    type=FilePath(),
    help="Where the runs lie; what is done there is not done again.  [default: runs/SUITE-SCALE]",
)
def command(
    suite: str,
    scale: str,
    targets: tuple[str, ...],
    reference: Path | None,
    rows: str | None,
    seeds: str | None,
    run_dir: Path | None,
) -> None:
    """Run a table or figure of the papers again.

    SUITE is its name, such as table-1, or the word render, which makes tables and plots of the runs in --run-dir
    anew, beside what was published. Several commands may work in one folder at once. Each run is a process of its own.
    """
    from stamp_tf.benchmarking.cases import Setup
    from stamp_tf.benchmarking.folder import SuiteFolder

    if suite == _RENDER:
        if run_dir is None:
            raise StampError("--run-dir is needed, because it says which runs are shown; add it.")
        folder = SuiteFolder(run_dir)
        _ = folder.setup
    else:
        setup = Setup.of(
            suite,
            scale=scale,
            targets=dict(map(_pair, targets)),
            reference=None if reference is None else str(reference.resolve()),
            rows=_words(rows),
            seeds=_numbers(seeds),
        )
        _check_data(setup)
        load_tensorflow()
        from stamp_tf.benchmarking.run_suite import run_suite

        folder = run_suite(setup, run_dir or Path("runs") / f"{suite}-{scale}", on_case=_tell)
    from stamp_tf.benchmarking.render import render_suite

    for path in render_suite(folder):
        say(str(path))


def _pair(text: str) -> tuple[str, str]:
    name, equals, spec = text.partition("=")
    if not (equals and name and spec):
        raise StampError(
            f"--target must be NAME=DATASET, but is '{text}'; write one such as cifar10=npz:cifar10.npz."
        )
    return name, spec


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()


def _numbers(text: str | None) -> tuple[int, ...]:
    words = _words(text)
    if wrong := [word for word in words if not word.isdecimal()]:
        raise StampError(f"--seeds must be whole numbers, but got '{wrong[0]}'; write some such as 0,1,2.")
    return tuple(map(int, words))


def _check_data(setup: "Setup") -> None:
    """Refuse data sets that are not there before anything is run."""
    from stamp_tf.data import load

    for spec in setup.targets.values():
        load.check_is_there(spec, data_dir=None)


def _tell(number: int, total: int, case: "Case") -> None:
    say(f"{number + 1} of {total}: {case.name}", to_stderr=True)
