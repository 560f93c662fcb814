"""Run directories: names and options."""

from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.claims import start
from stamp_tf.storage.records import append_jsonl
from stamp_tf.storage.run_directory import RunDirectory

from .options import CONFIG


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


def test_resuming_repeats_the_options(run: RunDirectory) -> None:
    start(run, CONFIG, resume=False, overwrite=False)
    append_jsonl(run.metrics, {"epoch": 1})
    start(run, CONFIG, resume=True, overwrite=False)
    assert run.metrics.exists()


def test_options_changed_on_resume_are_all_named(run: RunDirectory) -> None:
    start(run, CONFIG, resume=False, overwrite=False)
    changed = {**CONFIG, "width": 0.5, "options": {"a": 2}, "seed": 3}
    with pytest.raises(StampError, match="--resume must repeat the options of the run") as caught:
        start(run, changed, resume=True, overwrite=False)
    message = str(caught.value)
    assert "--width was 0.25 and is 0.5" in message
    assert "--method-option a was 1 and is 2" in message
    assert "--seed was not given and is 3" in message
    assert "budgets" not in message
    assert run.read_config()["width"] == 0.25


def test_a_run_without_a_pruned_network_is_refused(run: RunDirectory) -> None:
    start(run, CONFIG, resume=False, overwrite=False)
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
    start(run, with_data(), resume=False, overwrite=False)
    with pytest.raises(StampError, match=f"--resume needs the data that the run was started with.*{words}"):
        start(run, with_data(**changes), resume=True, overwrite=False)


def test_a_run_of_before_data_was_remembered_is_resumed(run: RunDirectory) -> None:
    start(run, CONFIG, resume=False, overwrite=False)
    start(run, with_data(), resume=True, overwrite=False)


def test_a_path_by_a_link_is_the_same_option(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    options = [
        {**CONFIG, "dataset": f"folder:{tmp_path / name}", "from": str(tmp_path / name)}
        for name in ("data", "link")
    ]
    start(run, options[0], resume=False, overwrite=False)
    start(run, options[1], resume=True, overwrite=False)
    with pytest.raises(StampError, match="--dataset was"):
        start(run, {**options[1], "dataset": f"folder:{tmp_path}"}, resume=True, overwrite=False)
