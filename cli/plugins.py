"""`stamp-tf plugins`: every installed plug-in, tried."""

import json
import logging
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from stamp_cli.command import Command
from stamp_cli.terminal import make_console, say
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_registry import Plugin


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:
    """List every installed plug-in and whether it works.

    Each one is imported. A broken one is a row in the table and does not stop the command.
    """
    from stamp_registry import plugins

    try:
        load_tensorflow()
    except StampError:  # it is not installed
        raise
    # Most plug-ins need it; where it is broken, each of them says so in its own row.
    except Exception as error:
        logging.getLogger("stamp_tf").debug("TensorFlow cannot be imported: %s", error)
    # A plug-in may print while it is imported; standard output is ours.
    with redirect_stdout(sys.stderr):
        found = plugins()
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in found], indent=2))
    else:
        _print_table(found)


def _print_table(found: list["Plugin"]) -> None:
    from rich.table import Table
    from rich.text import Text

    from stamp_cli.cells import name_cell

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "group", "package", "version", "status"):
        table.add_column(heading, overflow="fold")
    for plugin in found:
        status = Text(plugin.status, style="green" if plugin.status == "ok" else "bold red")
        table.add_row(*map(name_cell, (plugin.name, plugin.group, plugin.package, plugin.version)), status)
    make_console().print(table)
    for plugin in found:
        if plugin.detail:
            say("")
            say(plugin.detail)
