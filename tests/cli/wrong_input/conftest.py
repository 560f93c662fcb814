"""What every wrong input ends in."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def refused_here(cli, tmp_path, monkeypatch) -> Callable[..., str]:
    """Run a command in an empty folder, and check that it refuses in one line and leaves every file as it was."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, as_typed: bool = False) -> str:
        before = content_of(tmp_path)
        message = cli.refused(*arguments, as_typed=as_typed)
        assert content_of(tmp_path) == before
        assert message.isprintable()
        return message

    return run


def content_of(folder: Path) -> dict[str, bytes | None]:
    """Return what lies in a folder: the bytes of files, None for folders, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
