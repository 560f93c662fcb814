"""What every wrong input ends in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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


@pytest.fixture(scope="session")
def usual() -> dict[str, tuple[str, ...]]:
    """Options that make the training of each command short."""
    return {
        "pretrain": ("--backbone", "toy", "--image-size", "16", "--epochs", "1", "--budget-epochs", "0"),
        "meta-train": ("--outer-steps", "1", "--ways", "2", "--shots", "2", "--inner-batches", "2"),
        "prune": ("--finetune-epochs", "0", "--no-speed", "--export", "keras"),
    }


@pytest.fixture
def refused(cli, toy, tmp_path, pretrained, usual) -> Callable[..., str]:
    """Run a command on a toy reference, and check that it refuses and writes nothing; return its line."""

    def run(command, *arguments, source=pretrained):
        before = content_of(tmp_path)
        given = [command, *usual[command], "--run-dir", tmp_path / "new/run"]
        if command != "pretrain" and source is not None:
            given += ["--from", source]
        message = cli.refused(*given, *arguments)
        assert content_of(tmp_path) == before
        return message

    return run


@pytest.fixture
def write_picture() -> Callable[[Path, int], None]:
    """Write a grey picture of some level."""

    def write(path: Path, level: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(path)

    return write


@pytest.fixture
def folder(tmp_path, write_picture) -> Path:
    """Two classes of ten pictures each."""
    for label, name in enumerate(("cat", "dog")):
        for index in range(10):
            write_picture(tmp_path / f"pets/{name}/{index}.png", 100 * label + index)
    return tmp_path / "pets"
