"""Writes that a kill cannot tear."""

import os
from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.files import write_bytes_atomic


def listing(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_a_write_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes_atomic(path, b"old")

    def fail(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(StampError, match=r"Cannot write .*file: Input/output error"):
            write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]
    write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"new"
