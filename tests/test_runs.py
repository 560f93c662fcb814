"""Run directories: names, refusals, and writes that a kill cannot tear."""

import json
import os
from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.runs import (
    RunDirectory,
    append_jsonl,
    read_json,
    trim_jsonl,
    write_bytes_atomic,
    write_json_atomic,
)

CONFIG = {"command": "pretrain", "width": 0.25, "budgets": (0.06, 1.0), "options": {"a": 1}}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / "one")


def listing(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_names() -> None:
    run = RunDirectory("runs/one")
    assert run.path == Path("runs/one")
    assert {
        run.config.name,
        run.metrics.name,
        run.checkpoints.name,
        run.masks.name,
        run.model.name,
        run.saved_model.name,
        run.report_json.name,
        run.report_html.name,
    } == {
        "config.json",
        "metrics.jsonl",
        "checkpoints",
        "masks.json",
        "model.keras",
        "saved_model",
        "report.json",
        "report.html",
    }


def test_checking_leaves_everything_as_it_is(run: RunDirectory, tmp_path: Path) -> None:
    run.check()
    assert listing(tmp_path) == []
    run.start(CONFIG, resume=False, overwrite=False)
    before = listing(tmp_path)
    run.check(resume=True)
    run.check(overwrite=True)
    assert listing(tmp_path) == before


def test_a_new_run_records_its_options(run: RunDirectory) -> None:
    run.start(CONFIG, resume=False, overwrite=False)
    assert run.read_config() == {**CONFIG, "budgets": [0.06, 1.0]}
    assert listing(run.path) == ["config.json"]


def test_an_empty_folder_is_taken(run: RunDirectory) -> None:
    run.path.mkdir(parents=True)
    run.start(CONFIG, resume=False, overwrite=False)
    assert run.config.exists()


def test_a_folder_in_use_is_refused_and_untouched(run: RunDirectory) -> None:
    run.start(CONFIG, resume=False, overwrite=False)
    append_jsonl(run.metrics, {"epoch": 1})
    with pytest.raises(StampError, match=r"--run-dir must be new or empty, but .*one is not; .* --resume"):
        run.start({}, resume=False, overwrite=False)
    assert run.read_config()["width"] == 0.25
    assert run.metrics.exists()


def test_overwriting_empties_a_folder_that_a_run_wrote(run: RunDirectory) -> None:
    run.start(CONFIG, resume=False, overwrite=False)
    run.checkpoints.mkdir()
    append_jsonl(run.metrics, {"epoch": 1})
    run.start({"other": 1}, resume=False, overwrite=True)
    assert listing(run.path) == ["config.json"]
    assert run.read_config() == {"other": 1}


@pytest.mark.parametrize("flag", ["overwrite", "resume"])
def test_a_folder_of_someone_elses_is_never_taken(run: RunDirectory, flag: str) -> None:
    run.path.mkdir(parents=True)
    precious = run.path / "thesis.tex"
    precious.write_text("precious")
    with pytest.raises(
        StampError, match=rf"--{flag} only takes a folder that a run wrote, but .* has no config.json"
    ):
        run.start(CONFIG, **{"resume": False, "overwrite": False, flag: True})
    assert listing(run.path) == ["thesis.tex"]


def test_resuming_a_run_that_is_not_there_starts_it(run: RunDirectory) -> None:
    run.start(CONFIG, resume=True, overwrite=False)
    assert run.read_config()["command"] == "pretrain"


def test_resuming_repeats_the_options(run: RunDirectory) -> None:
    run.start(CONFIG, resume=False, overwrite=False)
    append_jsonl(run.metrics, {"epoch": 1})
    run.start(CONFIG, resume=True, overwrite=False)
    assert run.metrics.exists()


def test_options_changed_on_resume_are_all_named(run: RunDirectory) -> None:
    run.start(CONFIG, resume=False, overwrite=False)
    changed = {**CONFIG, "width": 0.5, "options": {"a": 2}, "seed": 3}
    with pytest.raises(StampError, match="--resume must repeat the options of the run") as caught:
        run.start(changed, resume=True, overwrite=False)
    message = str(caught.value)
    assert "width was 0.25 and is 0.5" in message
    assert "options was {'a': 1} and is {'a': 2}" in message
    assert "seed was None and is 3" in message
    assert "budgets" not in message
    assert run.read_config()["width"] == 0.25


@pytest.mark.parametrize("below", [False, True])
def test_a_file_is_no_folder(tmp_path: Path, below: bool) -> None:
    (tmp_path / "file").write_text("x")
    run = RunDirectory(tmp_path / "file" / "run" if below else tmp_path / "file")
    with pytest.raises(StampError, match="--run-dir must be a folder, but"):
        run.start(CONFIG, resume=False, overwrite=False)


def test_a_folder_that_cannot_be_written_is_refused(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StampError, match=r"--run-dir must be writable, but .* gave 'Permission denied'"):
        run.start(CONFIG, resume=False, overwrite=False)
    assert not run.path.parent.exists()


def test_a_write_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes_atomic(path, b"old")

    def fail(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="Input/output error"):
            write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]
    write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"new"


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


def test_a_run_without_a_pruned_network_is_refused(run: RunDirectory) -> None:
    run.start(CONFIG, resume=False, overwrite=False)
    with pytest.raises(StampError, match="pruned network"):
        run.read_pruned_config()
