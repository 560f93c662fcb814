"""Suites of pruning runs: what they compare, that they go on where they stopped, and what is made of them."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import stamp_registry
from stamp_tf.benchmarking import suite
from stamp_tf.benchmarking.cases import Setup
from stamp_tf.benchmarking.folder import SuiteFolder
from stamp_tf.benchmarking.render import render_suite
from stamp_tf.benchmarking.run_case import config_of
from stamp_tf.benchmarking.run_suite import run_suite
from stamp_tf.benchmarking.suite import load_suite, suite_names
from stamp_tf.benchmarking.summary import summaries, tables
from stamp_tf.errors import StampError
from stamp_tf.pruning.choose import choose_pruner
from stamp_tf.training.epoch_record import EpochRecord


@pytest.mark.parametrize("name", suite_names())
def test_every_row_of_a_suite_can_be_asked_for(name: str) -> None:
    content = load_suite(name)
    assert {"paper", "cpu"} <= set(content.scales)
    setup = Setup.of(name, scale="cpu")
    assert len({case.name for case in setup.cases}) == len(setup.cases)
    for case in setup.cases:
        choose_pruner(config_of(setup, case, rate=0.1, epochs=1, is_tested=False))
    for row in content.rows:
        assert set(row.published) <= set(content.targets)
    assert content.backbone in stamp_registry.names("stamp_tf.backbones")


def test_seeds_come_first_so_that_a_stopped_suite_has_compared_all_rows() -> None:
    cases = Setup.of("table-1", scale="cpu").cases
    assert [case.seed for case in cases] == sorted(case.seed for case in cases)
    assert len({case.row for case in cases if case.seed == 0}) > 3


def test_a_scale_may_shorten_a_method() -> None:
    options = {}
    for scale in ("paper", "cpu"):
        setup = Setup.of("table-1", scale=scale, rows=("metapruning",))
        options[scale] = config_of(setup, setup.cases[0], rate=0.1, epochs=1, is_tested=False).options
    assert options["paper"] == {}
    assert options["cpu"]["population"] < 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "table-11"}, "must be one of .* but got table-11.*Did you mean"),
        ({"scale": "huge"}, "scale.? must be one of paper, cpu, quick, but got huge"),
        ({"rows": ("stmp",)}, "rows.? must be of .* but got stmp"),
    ],
)
def test_what_no_suite_has_is_refused(change: dict, words: str) -> None:
    asked = {"name": "table-1", "scale": "cpu"} | change
    with pytest.raises(StampError, match=words):
        Setup.of(asked.pop("name"), **asked)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """Two small data sets, random pixels each."""
    rng, specs = np.random.default_rng(0), {}
    for name in ("one", "other"):
        path = tmp_path_factory.mktemp("data") / f"{name}.npz"
        labels = np.arange(100) % 4
        images = rng.integers(256, size=(100, 32, 32, 3)).astype("uint8")
        np.savez(path, x_train=images, y_train=labels, x_test=images[:40], y_test=labels[:40])
        specs[name] = f"npz:{path}"
    return Setup.of("figure-5", scale="quick", targets=specs, seeds=(0,), rows=("stamp",))


@pytest.fixture(scope="module")
def folder(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> SuiteFolder:
    return run_suite(setup, tmp_path_factory.mktemp("suite") / "runs")


@pytest.mark.slow
def test_a_suite_is_run_and_shown(folder: SuiteFolder) -> None:
    records = folder.records()
    assert [record["case"]["target"] for record in records] == ["one", "other"]
    for record in records:
        figures = record["figures"]
        assert 0.2 < figures["flops_fraction"] <= 0.28
        assert figures["seconds_search"] > 0
        assert figures["seconds_finetune"] > 0
        assert figures["peak_bytes"] > 2e8
        assert figures["learning_rate"] in folder.setup.size.rates
        assert record["curve"][-1]["epoch"] == folder.setup.size.epochs
    paths = render_suite(folder)
    assert {path.name for path in paths} >= {"table.md", "runs.csv", "results.jsonl", "report.html"}
    assert "channels.svg" in {path.name for path in paths}
    assert not records[0]["swaps"]
    assert [(one["dataset_of"], one["masks_of"]) for one in records[1]["swaps"]] == [
        ("other", "one"),
        ("one", "other"),
    ]
    assert "Masks swapped" in (folder.path / "table.md").read_text()
    lines = list(csv.DictReader((folder.path / "runs.csv").read_text().splitlines()))
    assert [float(line["accuracy"]) for line in lines] == [
        record["figures"]["accuracy"] for record in records
    ]
    page = (folder.path / "report.html").read_text()
    assert "<svg" in page
    assert folder.setup.targets["one"] in page


@pytest.mark.slow
def test_what_is_done_is_not_done_again(folder: SuiteFolder, setup: Setup) -> None:
    before = [folder.record(case).stat().st_mtime_ns for case in folder.setup.cases]
    run_suite(setup, folder.path)
    assert [folder.record(case).stat().st_mtime_ns for case in folder.setup.cases] == before


@pytest.mark.slow
def test_a_folder_of_another_suite_is_refused(folder: SuiteFolder) -> None:
    other = Setup.of("table-1", scale="cpu")
    with pytest.raises(StampError, match=r"holds figure-5 at scale quick .* but table-1 at scale cpu"):
        run_suite(other, folder.path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(StampError, match="must be new, empty or the folder of a suite"):
        run_suite(Setup.of("table-1", scale="cpu"), tmp_path)
    with pytest.raises(StampError, match=r"has no suite\.json"):
        render_suite(SuiteFolder(tmp_path))
    with pytest.raises(StampError, match=r"Cannot write .*photo\.jpg/runs: Not a directory"):
        run_suite(Setup.of("table-1", scale="cpu"), tmp_path / "photo.jpg" / "runs")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def _record(setup: Setup) -> dict:
    """What a finished case writes, but for tables and plots that nobody looks at here."""
    names = ("accuracy", "params_fraction", "flops_fraction")
    figures = dict.fromkeys(
        (*names, *(f"seconds_{kind}" for kind in ("search", "finetune", "inference"))), 0.5
    )
    point = dataclasses.asdict(EpochRecord(epoch=1, seconds=1.0, train_loss=None, test_accuracy=0.5))
    parts = {"kept": {"conv": [0]}, "sizes": {"conv": 1}, "hardware": {"processor": "one"}, "versions": {}}
    case = setup.cases[0].to_json()
    return {"case": case, "figures": figures | {"peak_bytes": None}, "curve": [point], **parts}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("suite.json", {"scale": "huge"}, r"suite\.json must name .* names figure-5, huge and stamp; choose"),
        ("suite.json", {"rows": ["stmp"]}, r"names figure-5, quick and stmp; choose another folder"),
        ("record.json", {"case": {}}, r"record\.json must be .* case lacks row; delete it and run"),
        (
            "record.json",
            {"curve": [{"epoch": 1}]},
            r"record\.json must be .* curve\[0\] lacks seconds; delete it",
        ),
        ("record.json", {"swaps": [{"own": "0.5"}]}, r"record\.json must be .* swaps\[0\].* delete it"),
        ("record.json", {"hardware": {}}, r"hardware lacks processor; delete it"),
        ("record.json", {"kept": {}}, r"damaged \(kept names no layer\); delete it"),
        ("record.json", {"sizes": {"dense": 4}}, r"damaged \(kept and sizes name different layers\); delete"),
        (
            "record.json",
            {"sizes": {"conv": 4}, "kept": {"conv": [0, 4]}},
            r"\(kept names channels that conv of 4 does not have\); delete it",
        ),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, name: str, change: dict, words: str) -> None:
    folder = SuiteFolder(tmp_path)
    folder.begin(Setup.of("figure-5", scale="quick", targets={"one": "digits"}, rows=("stamp",)))
    record = folder.record(folder.setup.cases[0])
    record.parent.mkdir(parents=True)
    path = {"suite.json": folder.setup_file, "record.json": record}[name]
    content = json.loads(path.read_text()) if path.exists() else _record(folder.setup)
    path.write_text(json.dumps(content | change))
    with pytest.raises(StampError, match=words):
        render_suite(SuiteFolder(tmp_path))


def test_means_and_deviations_are_over_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "names", lambda group: [*set(stamp_registry.names(group)) - {"metapruning"}])
    setup = Setup.of(
        "table-1", scale="cpu", targets={"cifar10": "cifar10"}, rows=("full", "stamp"), seeds=(0, 1)
    )
    figures = {
        "params_fraction": 0.5,
        "flops_fraction": 0.25,
        "seconds_search": 1.0,
        "seconds_finetune": 3.0,
        "seconds_inference": 0.1,
        "peak_bytes": 2**30,
    }
    records = [
        {"case": case.to_json(), "figures": figures | {"accuracy": 0.5 + 0.02 * case.seed}}
        for case in setup.cases
    ]
    ((_, rows),) = tables(summaries(setup, json.loads(json.dumps(records))))
    cells = {row[0]: row for row in rows}
    assert cells["STAMP"][1:5] == ("2", "51.00 ± 1.41", "50.00", "/ 4.00")
    assert cells["STAMP"][7] == "1.00"
    assert cells["STAMP"][10:] == ("93.49 ± 0.04", "4.16", "/ 3.56", "0.56")
    assert cells["MetaPruning (not installed)"][1] == ""
