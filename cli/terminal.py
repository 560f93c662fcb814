"""What the command line prints: lines and tables in which names are shown as they are and do nothing."""

import errno
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from stamp_tf.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 120


def say(line: str, *, to_stderr: bool = False) -> None:
    """Print one line.

    Args:
        line: May hold names of files, classes and layers.
        to_stderr: Whether it is no result, but a word on the way.
    """
    click.echo(printable(line), err=to_stderr)


def make_console(*, pipe_width: int = _PIPE_WIDTH, to_stderr: bool = False) -> "Console":
    """Return a console for tables, in which names are no markup and control characters are shown, not sent.

    Args:
        pipe_width: Columns where there is no terminal; a pipe has no width.
        to_stderr: Whether to write to standard error.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            # It would end the program; click does that where the reader of anything goes away.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

        # Everything that is printed passes here, whoever made the table.
        def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
            for segment in super().render(*arguments, **options):
                if segment.control:
                    yield segment
                else:
                    yield Segment(printable(segment.text, allowed="\n"), segment.style)

    plain: dict[str, Any] = {"stderr": to_stderr, "highlight": False, "markup": False, "emoji": False}
    console = Terminal(**plain)
    return console if console.is_terminal else Terminal(**plain, width=pipe_width)


def bear_any_name() -> None:
    """Let standard streams show what their encoding lacks as an escape; the default is a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
