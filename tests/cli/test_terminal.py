"""No name of a file, a class or a layer writes to the terminal anything but itself."""

import io
import logging
import sys

import click
import pytest
from click.testing import CliRunner
from rich.table import Table

from stamp_cli.errors import edge
from stamp_cli.progress import Progress
from stamp_cli.report_tables import groups_table
from stamp_cli.terminal import bear_any_name, make_console, say
from stamp_cli.verbosity import StandardError
from stamp_tf.errors import StampError
from stamp_tf.report.report import GroupRow

EVIL = "a\x1b]0;owned\x07\x1b[2Jb\u202ec\rd[red]e[/]\udcff\x9bf"
SHOWN = r"a\x1b]0;owned\x07\x1b[2Jb\u202ec\rd[red]e[/]\xff\x9bf"


@pytest.fixture(params=["pipe", "terminal"])
def console(request, monkeypatch):
    if request.param == "terminal":
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("NO_COLOR", "1")
    made = make_console(pipe_width=200)
    made.file = io.StringIO()
    assert made.is_terminal == (request.param == "terminal")
    return made


def test_tables_show_names_as_they_are(console):
    console.print(groups_table([GroupRow(EVIL, 4, (0, 1))], title=EVIL))
    text = console.file.getvalue()
    assert text.count(SHOWN) == 2
    assert not set(text.replace("\x1b[", "")) & set("\x07\r\u202e\udcff\x9b")


def test_table_that_forgot_to_escape_is_escaped_all_the_same(console):
    table = Table()
    table.add_column(EVIL)
    table.add_row("[red]\x07[/]")
    console.print(table)
    assert not set(console.file.getvalue()) & set("\x07\r\u202e\udcff\x9b")
    assert "[red]" in console.file.getvalue()


def test_lines_show_names_as_they_are():
    result = CliRunner().invoke(click.Command("go", callback=lambda: say(f"Wrote {EVIL}")))
    assert result.stdout == f"Wrote {SHOWN}\n"


def test_errors_show_names_as_they_are(capsys):
    with pytest.raises(SystemExit), edge():
        raise StampError(f"--dataset folder:{EVIL} must be a folder, but is not there; check the path.")
    errors = capsys.readouterr().err
    # White space of any kind becomes a space, so that an error is one line.
    assert errors.startswith("Error: --dataset folder:" + SHOWN.replace(r"\r", " "))
    assert errors.count("\n") == 1


def test_log_shows_names_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    record = logging.LogRecord("stamp_tf", logging.WARNING, "", 0, "skipped %s\nof two", (EVIL,), None)
    StandardError().handle(record)
    assert sys.stderr.getvalue() == f"skipped {SHOWN}\\nof two\n"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_shows_names_as_they_are(monkeypatch, is_terminal):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    if is_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "200")
    with Progress() as progress:
        progress(EVIL, 1, 1, {EVIL: 0.5})
    errors = sys.stderr.getvalue()
    assert "owned" in errors
    assert "[red]" in errors
    assert "]0;owned\x07" not in errors
    assert not set(errors) & set("\u202e\udcff\x9b\x07")


def test_streams_that_lack_a_character_write_an_escape(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    bear_any_name()
    sys.stdout.write("→ é\n")
    sys.stdout.flush()
    assert sys.stdout.buffer.getvalue() == b"\\u2192 \\xe9\n"
