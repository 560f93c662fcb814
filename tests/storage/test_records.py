"""JSON: written strictly, read by a schema, refused in one line."""

import json
from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.records import append_jsonl, read_json, trim_jsonl, write_json_atomic
from stamp_tf.storage.run_directory import RunDirectory


def test_json_is_written_and_read(tmp_path: Path) -> None:
    write_json_atomic(tmp_path / "a.json", {"é": [1, None, 2.5]})
    assert read_json(tmp_path / "a.json") == {"é": [1, None, 2.5]}


@pytest.mark.parametrize("content", [None, b"{half", b"\xff\xfe"])
def test_unreadable_json_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.json"
    if content is None:
        message = "must be a run directory, but it has no config.json"
    else:
        path.write_bytes(content)
        message = "must be JSON written by stamp-tf, but it cannot be read"
    with pytest.raises(StampError, match=message):
        RunDirectory(tmp_path).read_config()


def test_json_lines_are_appended(tmp_path: Path) -> None:
    for step in range(3):
        append_jsonl(tmp_path / "m.jsonl", {"step": step})
    lines = (tmp_path / "m.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_records_behind_a_state_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    trim_jsonl(path, "step", 3)
    assert not path.exists()
    for record in ({"step": 1}, {"step": 2}, {"step": 3}, {"final": 0.5}):
        append_jsonl(path, record)
    with open(path, "a") as file:
        file.write('{"step": 1, "lo')
    trim_jsonl(path, "step", 2)
    append_jsonl(path, {"step": 3, "again": True})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 1}, {"step": 2}, {"step": 3, "again": True}]
