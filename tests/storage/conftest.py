"""A run's folder that is not there yet."""

from pathlib import Path

import pytest

from stamp_tf.storage.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / "one")
