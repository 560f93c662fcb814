"""`prune --export`: every format that was asked for, made anew whenever the network changes."""

import json

import pytest

FAILING = """
from pathlib import Path


def fails(model, path, **options):
    path.write_text("half")
    raise RuntimeError("the disk sang")
"""


@pytest.fixture(scope="module")
def exported(cli, toy_on_path, images, pretrained, tmp_path_factory):
    """A run with an export of a plug-in and without a SavedModel, and what its command printed."""
    run = tmp_path_factory.mktemp("runs") / "exported"
    options = ("--max-flops", 0.5, "--finetune-epochs", 0, "--val-split", 0, "--no-speed", "--run-dir", run)
    done = cli.done("prune", "--dataset", images, "--from", pretrained, *options, "--export", "two-files")
    return run, done.stdout


def report(run):
    return json.loads((run / "report.json").read_text())


def test_what_was_asked_for_is_written_and_the_keras_file(exported):
    run, _ = exported
    assert (run / "two-files").read_text() == "graph"
    assert (run / "two-files.data").exists()
    assert (run / "model.keras").exists()
    assert not (run / "saved_model").exists()


def test_report_names_every_file_with_its_format_and_size(exported):
    run, printed = exported
    files = report(run)["files"]
    assert [(file["path"], file["format"]) for file in files] == [
        ("model.keras", "keras"),
        ("two-files", "two-files"),
        ("two-files.data", "two-files"),
    ]
    assert all(file["num_bytes"] == (run / file["path"]).stat().st_size for file in files)
    page = (run / "report.html").read_text()
    for file in files:
        assert f"<td>{file['path']}</td><td>{file['format']}</td>" in page
        assert f" {run / file['path']}  (" in printed
    assert "SavedModel" not in printed
    assert "SavedModel takes" not in page


def test_training_further_makes_all_of_them_anew(cli, toy, exported, tmp_path):
    import shutil

    run = shutil.copytree(exported[0], tmp_path / "run")
    before = {name: (run / name).read_text() for name in ("two-files", "two-files.data")}
    cli.done("export", run, "--format", "keras", "--to", run / "more/copy.keras")
    old = (run / "more/copy.keras").read_bytes()
    cli.done("finetune", run, "--epochs", 1)
    assert (run / "two-files").read_text() == before["two-files"]
    assert (run / "two-files.data").read_text() != before["two-files.data"]
    assert (run / "more/copy.keras").read_bytes() != old
    assert [file["path"] for file in report(run)["files"]] == [
        *("model.keras", "two-files", "two-files.data", "more/copy.keras")
    ]
    assert not (run / "saved_model").exists()
    assert not (run / "finished_training").exists()


def test_unknown_format_is_refused_before_any_work(cli, toy, tmp_path, images, pretrained):
    typed = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", tmp_path / "run")
    assert "Did you mean 'two-files'?" in cli.refused(*typed, "--export", "twofiles")
    assert not (tmp_path / "run").exists()


def test_what_stands_in_the_place_of_an_export_is_refused_before_any_work(
    cli, toy, pruned, images, pretrained
):
    (pruned / "two-files").write_text("mine")
    typed = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", pruned, "--overwrite")
    message = cli.refused(*typed, "--max-flops", 0.5, "--export", "two-files")
    assert f"writes to {pruned / 'two-files'}, but that holds something else" in message
    assert (pruned / "two-files").read_text() == "mine"
    assert (pruned / "report.json").exists()


def test_exporter_that_fails_leaves_nothing_half_written_and_the_run_goes_on(
    cli, toy, make_plugin, tmp_path, images, pretrained
):
    make_plugin("choir", {"stamp_tf.exporters": ["sung = choir:fails"]}, FAILING)
    run = tmp_path / "run"
    typed = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", run, "--max-flops", 0.5)
    typed = (*typed, "--finetune-epochs", 0, "--no-speed")
    message = cli.refused(*typed, "--export", "sung")
    assert message.startswith("The exporter 'sung' of package choir must not fail, but raised RuntimeError: ")
    assert not [path for path in run.rglob("*") if "sung" in path.name]
    assert not (run / "report.json").exists()
    cli.done(*typed, "--resume")
    assert (run / "report.json").exists()


def test_exporter_that_is_gone_is_missed_before_any_work(cli, pruned, make_plugin):
    (pruned / "words").write_text("mine")
    noted = {"files": ["words"], "exports": [{"to": "words", "format": "words", "wrote": ["words"]}]}
    (pruned / "exports.json").write_text(json.dumps(noted))
    before = {path: path.read_bytes() for path in pruned.rglob("*") if path.is_file()}
    message = cli.refused("finetune", pruned, "--epochs", 1)
    assert "is to be written anew by the exporter 'words', but no installed package has it" in message
    assert {path: path.read_bytes() for path in pruned.rglob("*") if path.is_file()} == before
