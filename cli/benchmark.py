"""`stamp-tf benchmark`: the tables and figures of the papers, run again."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stamp_cli.command import Command, is_given
from stamp_cli.terminal import say
from stamp_cli.values import FilePath
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.benchmarking.cases import Case, Setup

_RENDER = "render"
# It becomes part of names of folders.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


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
        _check_render_alone()
        if run_dir is None:
            raise StampError("--run-dir is needed, because it says which runs are shown; add it.")
        folder = SuiteFolder(run_dir)
        _ = folder.setup
    else:
        setup = Setup.of(
            suite,
            scale=scale,
            targets=_pairs(targets),
            reference=None if reference is None else str(reference.resolve()),
            rows=_words(rows, "--rows"),
            seeds=_numbers(seeds),
        )
        _check_targets(setup)
        load_tensorflow()
        from stamp_tf.benchmarking.run_suite import check_loads, run_suite

        # Before anything is written: a folder belongs to what it was begun with.
        check_loads(setup)
        folder = run_suite(setup, run_dir or Path("runs") / f"{suite}-{scale}", on_case=_tell)
    from stamp_tf.benchmarking.render import render_suite

    for path in render_suite(folder):
        say(str(path))


def _check_render_alone() -> None:
    """Refuse what would change nothing."""
    for name in ("scale", "targets", "reference", "rows", "seeds"):
        if is_given(name):
            flag = {"targets": "target", "reference": "from"}.get(name, name)
            raise StampError(f"--{flag} runs something, but render shows what was run; leave it out.")


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """Return data sets by the names of targets."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, spec = text.partition("=")
        if not (equals and spec and _NAME.fullmatch(name)):
            raise StampError(
                f"--target must be NAME=DATASET, its name of letters, digits, '-' and '_', but is '{text}'; write "
                "one such as cifar10=npz:cifar10.npz."
            )
        if name in found:
            raise StampError(f"--target must name each target once, but names {name} twice; rename one.")
        found[name] = spec
    return found


def _words(text: str | None, option: str) -> tuple[str, ...]:
    words = () if text is None else tuple(part.strip() for part in text.split(","))
    if text is not None and not all(words):
        raise StampError(
            f"{option} must be words with commas between them, but is '{text}'; or leave it out."
        )
    return words


def _numbers(text: str | None) -> tuple[int, ...]:
    words = _words(text, "--seeds")
    if wrong := [word for word in words if not word.isdecimal()]:
        raise StampError(
            f"--seeds must be whole numbers, 0 or more, but got '{wrong[0]}'; write some such as 0,1,2."
        )
    return tuple(map(int, words))


def _check_targets(setup: "Setup") -> None:
    """Refuse data sets that are not there before anything is loaded."""
    from stamp_tf.data import load

    for name, spec in setup.targets.items():
        try:
            load.check_is_there(spec, data_dir=None)
        except StampError as error:
            words = str(error).replace("--dataset ", "")
            raise StampError(f"--target {name}{'' if words.startswith('must ') else ':'} {words}") from None


def _tell(number: int, total: int, case: "Case") -> None:
    say(f"{number + 1} of {total}: {case.name}", to_stderr=True)
