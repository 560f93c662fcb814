"""What Keras asks its cache for."""

import sys

import pytest


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What Keras asks its cache for, as (file, folder); it gets nothing."""
    found: list[tuple[str, str]] = []

    def get_file(fname: str, origin: str, cache_subdir: str = "", **_) -> str:
        found.append((fname, cache_subdir))
        raise FileNotFoundError(fname)

    monkeypatch.setattr(sys.modules["keras.src.utils.file_utils"], "get_file", get_file)
    return found
