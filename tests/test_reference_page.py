"""The page on references of one's own does what it says, in Python and on the command line."""

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from stamp_cli.main import stamp_tf

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference.md"
COMMAND = re.compile(r"^    stamp-tf ((?:.*\\\n)*.*)$", re.MULTILINE)


@pytest.fixture
def acorn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare the plug-ins of the example, as installing it does."""
    project = tomllib.loads((ROOT / "examples/acorn/pyproject.toml").read_text())["project"]
    metadata = tmp_path / "site/acorn-1.0.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acorn\nVersion: 1.0\n")
    lines = []
    for group, names in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in names.items())]
    metadata.joinpath("entry_points.txt").write_text("\n".join(lines))
    for folder in (metadata.parent, ROOT / "examples/acorn/src"):
        monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()


@pytest.mark.slow
@pytest.mark.usefixtures("acorn")
def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_page) -> None:
    monkeypatch.chdir(tmp_path)
    names, shown = run_page(PAGE)
    assert shown == 3
    assert names["result"].test_accuracy > 0.9
    assert (tmp_path / "runs/digits/arrays").is_file()


@pytest.mark.usefixtures("acorn")
def test_its_commands_take_the_options_that_it_names() -> None:
    commands = [shlex.split(found.replace("\\\n", " ")) for found in COMMAND.findall(PAGE.read_text())]
    assert [command[0] for command in commands] == ["pretrain", "meta-train", "prune"]
    for name, *options in commands:
        # An option behind them that nobody knows is all that is wrong.
        done = CliRunner().invoke(stamp_tf, [name, *options, "--no-such-option"])
        assert "No such option '--no-such-option'" in done.output
