"""Damaged JSON of a run: one line and code 2, no traceback, and nothing changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.claims import start_run
from stamp_tf.storage.records import trim_jsonl
from stamp_tf.storage.run_directory import RunDirectory

Damage = Callable[[bytes], bytes]
DEEP = 100_000


def read_masks(run: Path) -> object:
    from stamp_tf.pruned_runs.masks import read_masks

    return read_masks(run)


def read_report(run: Path) -> object:
    from stamp_tf.pruned_runs.train_further import finished_report

    return finished_report(RunDirectory(run))


def overwrite(run: Path) -> None:
    start_run(RunDirectory(run), {"command": "prune", "dataset": "x"}, resume=False, overwrite=True)


READERS: dict[str, Callable[[Path], object]] = {
    "config.json": lambda run: RunDirectory(run).read_pruned_config(),
    "masks.json": read_masks,
    "report.json": read_report,
    "exports.json": overwrite,
    "further_training/config.json": lambda run: RunDirectory(run).further_training.check_options({}),
}
ANYWHERE: dict[str, Damage] = {
    "a list": lambda data: b"[]",
    "null": lambda data: b"null",
    "a number": lambda data: b"5",
    "a string": lambda data: b'"x"',
    "true": lambda data: b"true",
    "nothing": lambda data: b"",
    "a list of objects": lambda data: b"[" + data + b"]",
    "cut at the start": lambda data: data[:1],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data.rstrip()[:-1],
    "twice": lambda data: data + data,
    "not UTF-8": lambda data: data.replace(b"{", b'{"\xff\xfe": 1, ', 1),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "zeros": lambda data: bytes(len(data)),
    "NaN": lambda data: data.replace(b"{", b'{"seconds": NaN, ', 1),
    "deep lists": lambda data: data.replace(b"{", b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b", ", 1),
    "deep objects": lambda data: data.replace(
        b"{", b'{"x": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b", ", 1
    ),
}


@pytest.mark.parametrize("damage", ANYWHERE)
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_no_json_of_ours_is_one_line(run, refused, name, damage):
    path = run / name
    path.write_bytes(ANYWHERE[damage](path.read_bytes()))
    assert f"{path.name} must be JSON written by stamp-tf" in refused(lambda: READERS[name](run), run)


FIELDS: list[tuple[str, str, Any]] = [
    *(("config.json", "command", value) for value in (5, None, "rm", "")),
    *(("config.json", "dataset", value) for value in (5, None, [])),
    *(("config.json", "seed", value) for value in ("x", -1, 1.5, None)),
    *(("config.json", name, "x") for name in ("flip", "epochs", "max_flops", "clip_norm", "train_size")),
    *(("config.json", "backbone", value) for value in (5, [], {"options": {}})),
    *(("masks.json", name, value) for name in ("backbone", "kept", "sizes") for value in (None, 5, [], "x")),
    *(("masks.json", "kept", value) for value in ({"conv1": "x"}, {"conv1": [-1]}, {"conv1": [0.5]}, {})),
    *(("masks.json", "kept", value) for value in ({"conv1": [99]}, {"conv1": [1, 0]}, {"conv1": [0, 0]})),
    ("masks.json", "sizes", {"conv1": "8"}),
    ("masks.json", "widths", 5),
    ("masks.json", "backbone", {"name": "toy"}),
    *(("report.json", "test_accuracy", value) for value in ("x", None, 2.0, -1)),
    *(("report.json", "params", value) for value in (0, "x", 1.5)),
    *(
        ("report.json", name, value)
        for name in ("layers", "groups", "curve", "speed")
        for value in (5, [1], {})
    ),
    ("report.json", "groups", [{"name": "conv1", "size": 4, "kept": [9]}]),
    ("report.json", "groups", [{"name": "conv1", "size": 0, "kept": []}]),
    ("report.json", "times", []),
    ("exports.json", "files", "words"),
    ("exports.json", "files", [1]),
    *(("exports.json", "exports", value) for value in (5, [1], [{"to": "words", "format": 1, "wrote": []}])),
    ("further_training/config.json", "command", "x"),
]


@pytest.mark.parametrize(("name", "field", "value"), FIELDS)
def test_a_field_of_the_wrong_kind_is_named(run, refused, name, field, value):
    path = run / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    line = refused(lambda: READERS[name](run), run)
    assert path.name in line
    assert field in line or "conv1" in line or "channels of every layer" in line


@pytest.mark.parametrize("field", ["command", "dataset"])
def test_a_field_that_lacks_is_named(run, refused, field):
    path = run / "config.json"
    content = json.loads(path.read_text())
    del content[field]
    path.write_text(json.dumps(content))
    assert f"but it lacks {field}" in refused(lambda: READERS["config.json"](run), run)


LINES = {
    "torn": b'{"epoch": 1, "lo\n{"epoch": 2}\n',
    "a list": b'[1]\n{"epoch": 2}\n',
    "null": b"null\n",
    "empty": b'{"epoch": 1}\n\n{"epoch": 2}\n',
    "bare NaN": b'{"epoch": 1, "loss": NaN}\n',
    "not UTF-8": b'{"\xff": 1}\n',
    "a counter that is a word": b'{"epoch": "one"}\n',
    "a counter that is a list": b'{"epoch": []}\n',
    "deep": b"[" * DEEP + b"\n",
}


@pytest.mark.parametrize("kind", LINES)
def test_a_damaged_line_is_named(tmp_path, refused, kind):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(LINES[kind])
    line = refused(lambda: trim_jsonl(path, "epoch", 1), tmp_path)
    assert "metrics.jsonl, line " in line
    assert "delete that line, or start anew with --overwrite" in line


def test_a_last_line_that_a_kill_tore_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1}\n{"epoch": 2}\n{"epoch": 1, "lo')
    trim_jsonl(path, "epoch", 1)
    assert path.read_bytes() == b'{"epoch": 1}\n'


def test_a_file_that_is_far_too_large_is_not_read(run, refused):
    with open(run / "masks.json", "wb") as file:
        file.truncate(2**40)
    expected = "at most 256 MiB, but has 1048576 MiB"
    with pytest.raises(StampError, match=expected):
        read_masks(run)


@pytest.mark.parametrize("name", ["masks.json", "report.json"])
def test_a_folder_in_place_of_a_file_is_one_line(run, refused, name):
    (run / name).unlink()
    (run / name).mkdir()
    assert "must be a file" in refused(lambda: READERS[name](run), run)


def test_a_pipe_is_not_waited_for(run, refused):
    import os

    (run / "masks.json").unlink()
    os.mkfifo(run / "masks.json")
    assert "must be a file" in refused(lambda: read_masks(run), run)
