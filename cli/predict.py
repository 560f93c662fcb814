"""`stamp-tf predict`: what a network says of pictures."""

import codecs
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.progress import Progress
from stamp_cli.targets import check_targets
from stamp_cli.terminal import make_console, say
from stamp_cli.values import Count, FilePath
from stamp_cli.verbosity import require_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.options.data import DatasetOptions

if TYPE_CHECKING:
    from stamp_tf.serving.predictions import Predictions

_STANDARD_INPUT = "-"
# More lines of a table nobody reads where a file holds them, too.
_MOST_ROWS = 50


@click.command(cls=Command)
@click.argument("model", type=FilePath())
@click.argument("pictures", nargs=-1, required=True, type=click.Path())
@click.option(
    "--top", type=Count(1), default=3, show_default=True, help="How many classes to show of each picture."
)
@click.option("--csv", "csv_file", type=FilePath(), help="File for a table, a line a picture.")
@click.option("--json", "json_file", type=FilePath(), help="File for the same as JSON.")
@takes(DatasetOptions, "data", only=["skip_corrupt"])
def command(
    model: Path,
    pictures: Sequence[str],
    top: int,
    csv_file: Path | None,
    json_file: Path | None,
    data: DatasetOptions,
) -> None:
    """Say which classes pictures are of.

    MODEL is a network that prune or export wrote, of any format, or a run's folder. PICTURES are image files, folders,
    which are gone through with all folders below, and patterns; - takes paths from standard input, one a line.
    """
    from stamp_tf.serving.pictures import find_pictures

    if not model.exists():
        raise StampError(
            f"MODEL must be an exported network or a run's folder, but {model} is not there; check the path."
        )
    paths = find_pictures(_typed_or_read(pictures))
    check_targets({"--csv": csv_file, "--json": json_file}, inputs=[model, *paths])
    require_tensorflow()
    from stamp_tf.serving.predict import predict

    with Progress() as progress:
        found = predict(model, paths, skip_corrupt=data.skip_corrupt, on_step=progress.of("Predicting"))
    written = [target for target in (csv_file, json_file) if target is not None]
    # Before the table, whose reader may go away.
    if csv_file is not None:
        _write(csv_file, found.to_csv(top))
    if json_file is not None:
        _write(json_file, found.to_json(top))
    _print_table(found, top=top, most=_MOST_ROWS if written else len(found))
    for target in written:
        say(f"Wrote {target}")


def _write(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; into a pipe or a device, such as /dev/stdout, as it is."""
    from stamp_tf.storage.files import write_bytes_atomic
    from stamp_tf.storage.writing import writing

    is_stream = target.absolute().parts[1:2] in (("dev",), ("proc",))
    if is_stream or (target.exists() and not target.is_file()):
        with writing(target):
            target.write_bytes(data)
    else:
        write_bytes_atomic(target.resolve(), data)


def _typed_or_read(pictures: Sequence[str]) -> Iterator[str]:
    for one in pictures:
        if one != _STANDARD_INPUT:
            yield one
            continue
        if sys.stdin is None:
            raise StampError(
                "PICTURES must be open where they are '-', but standard input is closed; name files."
            )
        for number, line in enumerate(sys.stdin.buffer):
            # Some programs begin what they write with a mark of its byte order.
            line = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
            if path := os.fsdecode(line.rstrip(b"\r\n")):
                yield path


def _print_table(found: "Predictions", *, top: int, most: int) -> None:
    from rich.table import Table

    from stamp_cli.cells import name_cell

    table = Table(box=None, pad_edge=False)
    table.add_column("picture", overflow="fold")
    for heading in ("class", "probability", *(["then"] if top > 1 else [])):
        table.add_column(heading, overflow="fold", justify="right" if heading == "probability" else "left")
    for picture, ((name, share), *others) in list(zip(found.pictures, found.top(top), strict=True))[:most]:
        rest = ", ".join(f"{other} {100 * less:.1f} %" for other, less in others)
        table.add_row(
            name_cell(picture),
            name_cell(name),
            f"{100 * share:.1f} %",
            *([name_cell(rest)] if top > 1 else []),
        )
    make_console().print(table)
    if len(found) > most:
        say(f"... and {len(found) - most:,} more")
