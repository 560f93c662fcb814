"""Run directories: names and options."""

import json
import os
from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.claims import start_run
from stamp_tf.storage.records import append_jsonl
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.schemas import Exports

from .options import CONFIG


def test_names() -> None:
    run = RunDirectory("runs/one")
    assert run.path == Path("runs/one")
    assert {
        run.config.name,
        run.options.name,
        run.metrics.name,
        run.checkpoints.name,
        run.masks.name,
        run.model.name,
        run.saved_model.name,
        run.report_json.name,
        run.report_html.name,
    } == {
        "config.json",
        "options.yaml",
        "metrics.jsonl",
        "checkpoints",
        "masks.json",
        "model.keras",
        "saved_model",
        "report.json",
        "report.html",
    }


def test_resuming_repeats_the_options(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    append_jsonl(run.metrics, {"epoch": 1})
    start_run(run, CONFIG, resume=True, overwrite=False)
    assert run.metrics.exists()


def test_options_changed_on_resume_are_all_named(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    changed = {**CONFIG, "width": 0.5, "options": {"a": 2}, "seed": 3}
    with pytest.raises(StampError, match="--resume must repeat the options of the run") as caught:
        start_run(run, changed, resume=True, overwrite=False)
    message = str(caught.value)
    assert "--width was 0.25 and is 0.5" in message
    assert "--method-option a was 1 and is 2" in message
    assert "--seed was not given and is 3" in message
    assert "budgets" not in message
    assert run.read_config()["width"] == 0.25


def test_a_run_without_a_pruned_network_is_refused(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    with pytest.raises(StampError, match="pruned network"):
        run.read_pruned_config()


def with_data(**changes: str) -> dict[str, object]:
    """The options of a run, with what it remembers of its data."""
    digest = {"train": "1", "test": "2", "classes": "3"} | changes
    data = {"name": "npz:toys.npz", "train_images": 4, "test_images": 2, "digest": digest}
    return {**CONFIG, "data": data}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": "7"}, "has other training images now"),
        ({"train": "7", "test": "7"}, "has other training images and test images now"),
        ({"test": "7", "classes": "7"}, "has other test images and classes now"),
    ],
)
def test_a_run_is_not_resumed_on_other_data(run: RunDirectory, changes: dict[str, str], words: str) -> None:
    start_run(run, with_data(), resume=False, overwrite=False)
    with pytest.raises(StampError, match=f"--resume needs the data that the run was started with.*{words}"):
        start_run(run, with_data(**changes), resume=True, overwrite=False)


def test_a_run_of_before_data_was_remembered_is_resumed(run: RunDirectory) -> None:
    start_run(run, CONFIG, resume=False, overwrite=False)
    start_run(run, with_data(), resume=True, overwrite=False)


def test_a_path_by_a_link_is_the_same_option(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    options = [
        {**CONFIG, "dataset": f"folder:{tmp_path / name}", "from": str(tmp_path / name)}
        for name in ("data", "link")
    ]
    start_run(run, options[0], resume=False, overwrite=False)
    start_run(run, options[1], resume=True, overwrite=False)
    with pytest.raises(StampError, match="--dataset was"):
        start_run(run, {**options[1], "dataset": f"folder:{tmp_path}"}, resume=True, overwrite=False)


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def finished(tmp_path: Path) -> RunDirectory:
    """A run with exports, and a complete further training that is to take their place."""
    run = RunDirectory(tmp_path / "run")
    note = {
        "files": ["net.data", "net.graph", "sub/deep/weights"],
        "exports": [
            {"to": "net", "format": "net", "wrote": ["net.graph", "net.data"]},
            {"to": "sub/deep", "format": "deep", "wrote": ["sub/deep"]},
        ],
    }
    for folder, content in ((run.path, "old"), (run.finished_training.path, "new")):
        for name in ("net.graph", "net.data", "sub/deep/weights", "report.json"):
            put(folder / name, content)
        put(folder / "exports.json", json.dumps(note))
    put(run.path / "sub/deep/stale", "old")
    put(run.path / "sub/notes.txt", "mine")
    return run


def test_exports_of_a_further_training_are_put_in_their_places_whole(finished: RunDirectory) -> None:
    assert finished.settle()
    for name in ("net.graph", "net.data", "sub/deep/weights", "report.json"):
        assert (finished.path / name).read_text() == "new"
    assert not (finished.path / "sub/deep/stale").exists()
    assert (finished.path / "sub/notes.txt").read_text() == "mine"
    assert not finished.finished_training.path.exists()


@pytest.mark.parametrize("number", range(1, 8))
def test_settling_goes_on_after_any_kill(
    finished: RunDirectory, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    replace, left = os.replace, number

    def killed(old: Path, new: Path) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr("stamp_tf.storage.run_directory.os.replace", killed)
        try:
            finished.settle()
        except KeyboardInterrupt:
            assert (finished.path / "report.json").read_text() == "old"
    finished.settle()
    for name in ("net.graph", "net.data", "sub/deep/weights", "report.json"):
        assert (finished.path / name).read_text() == "new"


def test_an_export_that_became_a_folder_takes_the_place_of_a_file(finished: RunDirectory) -> None:
    done = finished.finished_training
    (done.path / "net.graph").unlink()
    put(done.path / "net.graph/part", "new")
    assert finished.settle()
    assert (finished.path / "net.graph/part").read_text() == "new"


@pytest.mark.parametrize("path", ["../precious", "/precious", ".", ""])
def test_noted_exports_never_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    run = RunDirectory(tmp_path / "run")
    for export in ({"to": path, "wrote": ["net"]}, {"to": "net", "wrote": [path]}):
        put(run.exports, json.dumps({"files": [path], "exports": [{**export, "format": "net"}]}))
        assert run.read_exports() == Exports()
