"""The tutorial's code runs in the order given, and prints what the page says."""

from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs/prune-your-own.md"


def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_page) -> None:
    monkeypatch.chdir(tmp_path)
    names, shown = run_page(PAGE)
    assert shown == 3
    assert names["result"].test_accuracy > 0.9
    train, test = ({image.tobytes() for image in names[part].images} for part in ("train", "test"))
    assert not train & test
    assert {image.tobytes() for image in names["result"].dataset.test.images} == test
    assert names["small"].count_params() < names["model"].count_params()
    assert names["small"].evaluate(
        names["test"].images / 255, names["test"].labels, verbose=0, return_dict=True
    )["accuracy"] == pytest.approx(0.92, abs=0.03)
    assert (tmp_path / "small.keras").exists()
    assert (tmp_path / "runs/digits/saved_model").is_dir()
