"""A disk that is full and a user who has enough: no half file, and a word on what is saved."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = [sys.executable, "-c", "from stamp_cli.main import main; main()"]


@pytest.mark.parametrize("name", ["reference.npz", "step-00000001.npz", "config.json"])
def test_full_disk_while_training(usual, cli, toy, tmp_path, images, monkeypatch, name):
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr("stamp_tf.storage.run_directory.os.replace", full)
    arguments = ("pretrain", *usual["pretrain"], "--dataset", images, "--run-dir", tmp_path / "run")
    message = cli.refused(*arguments)
    assert message.startswith(f"Cannot write {tmp_path / 'run'}")
    assert "No space left on device; free some space" in message
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name == name or ".tmp" in path.name]


@pytest.mark.parametrize("name", ["masks.json", "model.keras", "saved_model", "report.json"])
def test_full_disk_while_exporting_leaves_no_half_file(
    usual, cli, toy, tmp_path, images, pretrained, monkeypatch, name
):
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    run_dir = tmp_path / "run"
    arguments = ("prune", *usual["prune"], "--dataset", images, "--from", pretrained, "--max-flops", 0.5)
    arguments += ("--export", "saved-model")
    assert "No space left on device" in cli.refused(*arguments, "--run-dir", run_dir)
    assert not (run_dir / name).exists()
    assert not [path for path in run_dir.rglob("*") if ".tmp" in path.name]
    assert not (run_dir / "report.json").exists()
    monkeypatch.undo()


def wait_for(path: Path, pattern: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not list(path.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_saves_the_state_and_ends_with_130(cli, toy, toy_environment, tmp_path, images):
    run_dir = tmp_path / "run"
    arguments = ["pretrain", "--backbone", "toy", "--image-size", "16", "--dataset", images]
    arguments += ["--run-dir", str(run_dir), "--epochs", "100000", "--budget-epochs", "0"]
    with subprocess.Popen(
        [*SCRIPT, *arguments],
        env=toy_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets the jobs it runs in the background ignore SIGINT; this one has to heed it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_for(run_dir, "checkpoints/step-*.npz", process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        f"Interrupted; the state of the last whole epoch is saved in {run_dir}; continue with --resume."
    )
    assert "Traceback" not in errors
    assert not [path for path in run_dir.rglob("*") if ".tmp" in path.name]
