"""Throwing a run away: file by file, and only what a run wrote."""

from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.pruned_runs.exports import record_export
from stamp_tf.storage.claims import start_run
from stamp_tf.storage.overwriting import clear
from stamp_tf.storage.run_directory import RunDirectory

CONFIG = {"command": "prune", "dataset": "digits"}
OURS = (
    *("metrics.jsonl", "reference.npz", "masks.json", "model.keras", "report.json", "report.html"),
    *(
        "options.yaml",
        "checkpoints/step-00000001.npz",
        "checkpoints/step-00000002.npz",
        "tensorboard/events.out.tfevents.1.host",
    ),
    *(
        "saved_model/saved_model.pb",
        "saved_model/fingerprint.pb",
        "saved_model/assets.extra/class_names.json",
        "saved_model/assets.extra/contract.json",
    ),
    *("saved_model/variables/variables.index", "saved_model/variables/variables.data-00000-of-00001"),
    *("further_training/config.json", "further_training/checkpoints/step-00000001.npz"),
)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    start_run(run, CONFIG, resume=False, overwrite=False)
    for name in OURS:
        put(run.path / name)
    return run


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def listing(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_all_that_a_run_writes_goes_but_its_options(run: RunDirectory) -> None:
    clear(run)
    assert listing(run.path) == ["config.json"]


@pytest.mark.parametrize(
    "name",
    [
        *("thesis.tex", "checkpoints/best.h5", "checkpoints/mine/step-00000001.npz", "saved_model/notes.txt"),
        *("further_training/diary.txt", "tensorboard/other/events", "assets/x", ".git/config"),
    ],
)
def test_what_no_run_wrote_stays_with_a_word(
    run: RunDirectory, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    put(run.path / name)
    clear(run)
    assert {path for path in listing(run.path) if (run.path / path).is_file()} == {"config.json", name}
    assert f"as no run wrote it: {Path(name).parts[0]}" in caplog.text


def test_a_folder_with_the_name_of_a_file_stays(run: RunDirectory) -> None:
    run.masks.unlink()
    put(run.masks / "mine.txt")
    clear(run)
    assert listing(run.path) == ["config.json", "masks.json", "masks.json/mine.txt"]


def test_recorded_exports_go(run: RunDirectory) -> None:
    put(run.path / "onnx/model.onnx")
    record_export(run, run.path / "onnx", exporter="onnx")
    put(run.path / "words")
    record_export(run, run.path / "words", exporter="words")
    put(run.path / "onnx/notes.txt")
    clear(run)
    assert listing(run.path) == ["config.json", "onnx", "onnx/notes.txt"]


def test_a_recorded_path_never_leads_out(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    run.exports.write_text('{"files": ["../precious", "%s"]}' % (tmp_path / "precious"))
    clear(run)
    assert (tmp_path / "precious").exists()


def test_a_run_that_is_a_link_is_cleared_where_it_lies(run: RunDirectory, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(run.path)
    clear(RunDirectory(link))
    assert link.is_symlink()
    assert listing(run.path) == ["config.json"]


@pytest.mark.parametrize("name", ["saved_model/notes.txt", "model.keras/mine.txt", "report.json/mine.txt"])
def test_what_would_stand_in_the_way_is_refused_before_anything_goes(run: RunDirectory, name: str) -> None:
    place = run.path / Path(name).parts[0]
    if place.is_file():
        place.unlink()
    put(run.path / name)
    before = listing(run.path)
    with pytest.raises(StampError, match=f"overwrite.* keeps what no run wrote, but .*{Path(name).parts[0]}"):
        start_run(run, CONFIG, resume=False, overwrite=True)
    assert listing(run.path) == before
