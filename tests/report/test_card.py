"""The model card: its metadata parse, its figures are the run's, and what a user wrote stays."""

from pathlib import Path

import yaml

from stamp_tf.export.calling import Calling
from stamp_tf.report.card import render_card
from stamp_tf.report.page import write_report
from stamp_tf.report.report import ExportedFile
from stamp_tf.storage.overwriting import clear
from stamp_tf.storage.run_directory import RunDirectory

ODD = "a: b # `c`\n--- \u00e9"


def test_metadata_are_yaml_whatever_the_names_are(make_report) -> None:
    card = render_card(make_report(dataset=ODD, calling=Calling((8, 8, 3), ("cat|dog", "<b>")).to_json()))
    start, block, body = card.split("---\n", 2)
    metadata = yaml.safe_load(block)
    assert start == ""
    assert (metadata["library_name"], metadata["pipeline_tag"]) == ("keras", "image-classification")
    assert "license" not in metadata
    (result,) = metadata["model-index"][0]["results"]
    assert result["dataset"]["name"] == ODD
    assert result["metrics"] == [{"type": "accuracy", "name": "Test accuracy", "value": 0.5}]
    assert r"cat\|dog, \<b\>." in body


def test_the_card_says_how_to_load_each_file(make_report) -> None:
    file = ExportedFile(path="model.onnx", format="onnx", num_bytes=9)
    card = render_card(make_report(files=(file,), calling=Calling((8, 8, 3), ("a", "b")).to_json()))
    assert 'onnxruntime.InferenceSession("model.onnx")' in card
    assert "SavedModel takes" not in card


def test_a_card_of_the_user_stays(make_report, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write_report(make_report(), run)
    write_report(make_report(method="random"), run)
    assert "method random" in run.card.read_text()
    # Whoever takes the last line out keeps the file.
    own = run.card.read_text().rsplit("<!--", 1)[0]
    run.card.write_text(own)
    write_report(make_report(), run)
    built = run.finished_training
    built.path.mkdir()
    write_report(make_report(), built)
    assert run.settle()
    clear(run)
    assert run.card.read_text() == own
