"""A whole run to be damaged, and what reading it must end in."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stamp_cli.errors import edge


@pytest.fixture(scope="session")
def whole(pruned_once, pretrained, tmp_path_factory) -> Path:
    """A run with every file that any run may have; not to be changed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(pruned_once, run)
    shutil.copy(pretrained / "reference.npz", run)
    (run / "exports.json").write_text('{"files": ["words"]}')
    (run / "further_training").mkdir()
    config = {"command": "finetune", "dataset": "digits"}
    (run / "further_training/config.json").write_text(json.dumps(config))
    return run


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """A whole run of the test's own."""
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture
def refused(capfd) -> Callable[[Callable[[], object], Path], str]:
    """Read something damaged as a command does; return the one line that says so."""

    def read(reader: Callable[[], object], folder: Path) -> str:
        before = snapshot(folder)
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught, edge():
            reader()
        assert caught.value.code == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert snapshot(folder) == before
        return err

    return read


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
