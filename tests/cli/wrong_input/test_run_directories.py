"""Folders that are in use, may not be written, or hold another run."""

import errno
import os
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["pretrain", "meta-train", "prune"])
def test_folder_in_use(refused, cli, images, tmp_path, pretrained, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious").write_text("x")
    arguments = ("--dataset", images, "--run-dir", tmp_path / "mine")
    assert "--run-dir must be new or empty" in refused(command, *arguments)
    assert "--overwrite only takes a folder that a run wrote" in refused(command, *arguments, "--overwrite")
    assert "--resume only takes a folder that a run wrote" in refused(command, *arguments, "--resume")


@pytest.mark.parametrize("command", ["pretrain", "meta-train", "prune"])
def test_folder_below_a_file(refused, images, tmp_path, command):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file/run"):
        message = refused(command, "--dataset", images, "--run-dir", path)
        assert "is a file or below one" in message


@pytest.mark.parametrize("command", ["pretrain", "meta-train", "prune"])
def test_folder_that_may_not_be_written(refused, images, monkeypatch, tmp_path, command):
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    message = refused(command, "--dataset", images)
    assert message.startswith(f"Cannot write {tmp_path / 'new/run'}: Permission denied; ")


def test_overwriting_waits_until_all_is_known_to_be_right(cli, images, pretrained, pruned):
    before = sorted(pruned.rglob("*"))
    arguments = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", pruned, "--overwrite")
    assert "smallest reachable" in cli.refused(*arguments, "--max-flops", 1e-4)
    assert sorted(pruned.rglob("*")) == before


def test_options_changed_on_resume_are_named(cli, images, pretrained, pruned):
    arguments = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", pruned, "--resume")
    message = cli.refused(*arguments, "--max-flops", 0.25, "--batch-size", 32, "--finetune-epochs", 2)
    assert "--resume must repeat the options of the run, but --max-flops was 0.5 and is 0.25;" in message


def test_resume_needs_a_folder(cli):
    assert "--resume needs --run-dir, but it is not given; add --run-dir" in cli.refused(
        "prune", "--dataset", "digits", "--resume"
    )


def test_resume_and_overwrite_exclude_each_other(refused, images):
    message = refused("prune", "--dataset", images, "--resume", "--overwrite")
    assert "--resume and --overwrite must not be given together" in message
