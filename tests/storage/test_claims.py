"""Folders that are taken for runs: refusals, locks, and what is given back."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.claims import check, claimed, claimed_next, held, start_run
from stamp_tf.storage.records import append_jsonl
from stamp_tf.storage.run_directory import RunDirectory

from .options import CONFIG


def listing(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_checking_leaves_everything_as_it_is(run: RunDirectory, tmp_path: Path) -> None:
    check(
        run,
    )
    assert listing(tmp_path) == []
    start_run(run, CONFIG, resume=False, overwrite=False)
    before = listing(tmp_path)
    check(run, resume=True)
    check(run, overwrite=True)
    assert listing(tmp_path) == before


def test_a_new_run_records_its_options(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    assert run.read_config() == {**CONFIG, "budgets": [0.06, 1.0]}
    assert listing(run.path) == ["config.json"]


def test_an_empty_folder_is_taken(run: RunDirectory) -> None:
    run.path.mkdir(parents=True)
    start_run(run, CONFIG, resume=False, overwrite=False)
    assert run.config.exists()


def test_a_folder_in_use_is_refused_and_untouched(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    append_jsonl(run.metrics, {"epoch": 1})
    with pytest.raises(StampError, match=r"--run-dir must be new or empty, but .*one is not; .* --resume"):
        start_run(run, {}, resume=False, overwrite=False)
    assert run.read_config()["width"] == 0.25
    assert run.metrics.exists()


def test_overwriting_empties_a_folder_that_a_run_wrote(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    run.checkpoints.mkdir()
    append_jsonl(run.metrics, {"epoch": 1})
    other = {"command": "meta-train", "dataset": "signs"}
    start_run(run, other, resume=False, overwrite=True)
    assert listing(run.path) == ["config.json"]
    assert run.read_config() == other


@pytest.mark.parametrize("flag", ["overwrite", "resume"])
def test_a_folder_of_someone_elses_is_never_taken(run: RunDirectory, flag: str) -> None:
    run.path.mkdir(parents=True)
    precious = run.path / "thesis.tex"
    precious.write_text("precious")
    with pytest.raises(
        StampError, match=rf"--{flag} only takes a folder that a run wrote, but .* has no config.json"
    ):
        start_run(run, CONFIG, **{"resume": False, "overwrite": False, flag: True})
    assert listing(run.path) == ["thesis.tex"]


@pytest.mark.parametrize(("is_there", "words"), [(False, "is not there"), (True, "is empty")])
def test_resuming_a_run_that_is_not_there_is_refused(run: RunDirectory, is_there: bool, words: str) -> None:
    if is_there:
        run.path.mkdir(parents=True)
    with (
        pytest.raises(StampError, match=rf"--resume needs a run to go on with, but .*one {words}; check"),
        claimed(run, resume=True),
    ):
        pass
    assert run.path.exists() == is_there


@pytest.mark.parametrize("below", [False, True])
def test_a_file_is_no_folder(tmp_path: Path, below: bool) -> None:
    (tmp_path / "file").write_text("x")
    run = RunDirectory(tmp_path / "file" / "run" if below else tmp_path / "file")
    with pytest.raises(StampError, match="--run-dir must be a folder, but"):
        start_run(run, CONFIG, resume=False, overwrite=False)


def test_a_folder_that_cannot_be_written_is_refused(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(StampError, match=r"Cannot write .*one: Permission denied; change its permissions"),
        claimed(run),
    ):
        pass
    monkeypatch.undo()
    assert not run.path.parent.exists()


def test_a_folder_that_nothing_was_written_to_is_given_back(run: RunDirectory, tmp_path: Path) -> None:
    with claimed(run):
        assert listing(run.path) == [".lock"]
    assert listing(tmp_path) == []


def test_a_folder_that_was_there_stays(run: RunDirectory) -> None:
    run.path.mkdir(parents=True)
    with claimed(run):
        pass
    assert listing(run.path.parent) == ["one"]


def test_a_folder_that_was_written_to_stays(run: RunDirectory) -> None:
    with claimed(run):
        start_run(run, CONFIG, resume=False, overwrite=False)
    assert listing(run.path) == ["config.json"]


ELSEWHERE = """
import sys
from stamp_tf.storage.claims import claimed
from stamp_tf.storage.run_directory import RunDirectory
with claimed(RunDirectory(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def busy(run: RunDirectory) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run's folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, run.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_in_which_another_process_works_is_refused(
    run: RunDirectory, busy: subprocess.Popen[str]
) -> None:
    expected = rf"one must be free, but process {busy.pid} on \S+ is at work in it; wait until it has ended"
    with pytest.raises(StampError, match=expected), claimed(run):
        pass
    with pytest.raises(StampError, match=expected), held(run):
        pass


def test_a_lock_dies_with_its_process(run: RunDirectory, busy: subprocess.Popen[str]) -> None:
    busy.kill()
    busy.wait()
    assert listing(run.path) == [".lock"]
    with claimed(run):
        pass
    assert listing(run.path) == []


def test_another_thread_is_refused(run: RunDirectory) -> None:
    refusals = []

    def work() -> None:
        try:
            with held(run):
                pass
        except StampError as error:
            refusals.append(str(error))

    with claimed(run):
        with held(run):  # the same thread is not
            pass
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(refusals) == 1
    assert f"process {os.getpid()}" in refusals[0]


def test_a_file_system_without_locks_is_no_obstacle(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with claimed(run):
        start_run(run, CONFIG, resume=False, overwrite=False)
    assert listing(run.path) == ["config.json"]
    assert "has no locks (No locks available); do not start a second command in it" in caplog.text


def test_the_next_free_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x-1").mkdir()
    (tmp_path / "x-1" / "thesis.tex").touch()
    (tmp_path / "x-2").touch()
    (tmp_path / "x-3").mkdir()  # empty, as a killed command leaves it
    with claimed_next(tmp_path, "x") as run:
        assert run.path == tmp_path / "x-3"


def test_simultaneous_commands_take_different_folders(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from stamp_tf.storage.claims import claimed_next
sys.stdin.read()
with claimed_next(Path(sys.argv[1]) / "runs", "x") as run:
    run.metrics.touch()
    print(run.path.name, flush=True)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    names = set()
    for process in processes:
        with process:
            assert process.stdout is not None
            names.add(process.stdout.read().strip())
    assert names == {f"x-{number}" for number in range(1, 7)}


@pytest.mark.parametrize("content", ["[]", "null", '{"model_type": "bert", "dataset": "wiki"}', "{"])
def test_overwriting_a_folder_with_somebody_elses_config_is_refused(run: RunDirectory, content: str) -> None:
    run.path.mkdir(parents=True)
    run.config.write_text(content)
    (run.path / "thesis.tex").write_text("precious")
    with pytest.raises(StampError, match=r"config\.json must be JSON written by stamp-tf"):
        start_run(run, CONFIG, resume=False, overwrite=True)
    assert run.config.read_text() == content
    assert listing(run.path) == ["config.json", "thesis.tex"]


def test_another_commands_run_is_not_gone_on_with(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    with (
        pytest.raises(StampError, match=r"--resume goes on with a run of prune, but \S+ is one of pretrain"),
        claimed(run, resume=True, command="prune"),
    ):
        pass
    with claimed(run, resume=True, command="pretrain"):
        pass
    with claimed(run, overwrite=True, command="prune"):
        pass
