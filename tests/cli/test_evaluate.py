"""`stamp-tf evaluate`: the accuracy that the report has, on the images that the run held out."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml

from stamp_cli.evaluate import show
from stamp_tf.data import load_dataset
from stamp_tf.pruned_runs.evaluation import Evaluation
from stamp_tf.training.accuracy import TestCounts


def accuracy(stdout: str) -> float:
    """The fraction that was printed in per cent."""
    return float(re.search(r"Test accuracy +([\d.]+) %", stdout)[1]) / 100


def test_accuracy_is_that_of_the_report(cli, pruned):
    result = cli.done("evaluate", pruned)
    expected = json.loads((pruned / "report.json").read_text())["test_accuracy"]
    assert accuracy(result.stdout) == pytest.approx(expected, abs=1e-4)
    assert "of 40 images" in result.stdout


def test_images_are_those_that_were_held_out_when_pruning(
    cli, toy, tmp_path, make_images, pretrained, monkeypatch
):
    path = make_images("whole.npz")
    with np.load(path) as file:
        whole = {name: file[name] for name in ("x_train", "y_train")}
    np.savez(path, **whole)  # without a test part
    options = ("--seed", 7, "--max-flops", 0.5, "--finetune-epochs", 0, "--no-speed", "--export", "keras")
    run_dir = tmp_path / "run"
    cli.done("prune", "--dataset", f"npz:{path}", "--from", pretrained, *options, "--run-dir", run_dir)
    expected = load_dataset(f"npz:{path}").test.images
    seen = []

    def count_hits(model, images, normalization, end, on_step):
        seen.append(images.images)
        return TestCounts(images.labels, images.labels, 5, confidences=np.ones(len(images)))

    monkeypatch.setattr("stamp_tf.pruned_runs.evaluate.count_hits", count_hits)
    assert f"of {len(expected)} images" in cli.done("evaluate", run_dir).stdout
    np.testing.assert_array_equal(seen[0], expected)


def test_another_data_set_of_the_same_classes(cli, pruned, make_images):
    result = cli.done("evaluate", pruned, "--dataset", f"npz:{make_images('more.npz', num_test=3)}")
    assert "of 15 images" in result.stdout


def test_another_number_of_classes_is_refused(cli, pruned, make_images):
    other = f"npz:{make_images('other.npz', num_classes=3)}"
    assert "must have the 5 classes of the network" in cli.refused("evaluate", pruned, "--dataset", other)


def test_folder_that_is_no_run_is_refused(cli, tmp_path):
    line = cli.refused("evaluate", tmp_path)
    assert "MODEL must be a network that stamp-tf exported" in line
    assert "MODEL must be a run's folder or a network" in cli.refused("evaluate", tmp_path / "nowhere")


def test_a_file_in_a_run_is_tested_as_the_run_is(cli, pruned):
    whole = cli.done("evaluate", pruned).stdout
    assert cli.done("evaluate", pruned / "saved_model").stdout == whole
    assert re.search(r"of 40 images, [\d.]+ to [\d.]+ with 95 % certainty", whole)


def test_a_file_elsewhere_needs_a_data_set(cli, pruned, images, tmp_path):
    path = shutil.copy(pruned / "model.keras", tmp_path / "left.keras")
    assert "--dataset is needed, because" in cli.refused("evaluate", path)
    target = tmp_path / "figures.json"
    stdout = cli.done("evaluate", path, "--dataset", images, "--json", target).stdout
    figures = json.loads(target.read_text())
    assert accuracy(stdout) == pytest.approx(figures["accuracy"], abs=1e-4)
    assert [one["images"] for one in figures["classes"]] == [8] * 5
    wrong = sum(one["images"] for one in figures["confusions"])
    assert wrong == 40 - sum(one["right"] for one in figures["classes"])
    assert "--pixels needs a file of your own" in cli.refused("evaluate", path, "--pixels", "0:1")


def test_the_page_has_mistakes_as_pictures(cli, pruned, tmp_path):
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    stdout = cli.done("evaluate", pruned, "--json", figures, "--html", page).stdout
    found = json.loads(figures.read_text())
    assert page.read_text().count("<img src=") == len(found["mistakes"]) > 0
    first = found["mistakes"][0]
    assert f"{first['class']} for {first['taken_for']} at" in stdout
    assert f"(image {first['image'] + 1})" in stdout
    assert sum(one["images"] for one in found["calibration"]["bins"]) == 40
    report = json.loads((pruned / "report.json").read_text())["tested"]
    assert found["calibration"] == report["calibration"]
    assert len(report["mistakes"]) == len(found["mistakes"])
    right = sum(row[label] for label, row in enumerate(report["matrix"]))
    assert right / 40 == pytest.approx(found["accuracy"])
    card = yaml.safe_load((pruned / "README.md").read_text().split("---\n")[1])
    assert card["model-index"][0]["results"][0]["metrics"][0]["value"] == found["accuracy"]


def test_of_many_classes_the_worst_are_shown(capsys):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 50)
    answers = np.where(rng.random(2000) < labels / 40, (labels + 1) % 40, labels)
    names = tuple(f"class {label}" for label in range(40))
    show(
        Evaluation(
            model="m",
            dataset="d",
            class_names=names,
            counts=TestCounts(labels, answers, 40, confidences=np.full(2000, 0.9)),
        )
    )
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) < 20
    assert "class 39" in printed
    assert "class 3 " not in printed
    assert "the worst 12 of 40 classes; --json FILE has all" in printed
    assert re.search(r"Most confused  class \d+ for class \d+ \d+, .*, and \d+ more", printed)


@pytest.mark.parametrize("content", [b"", b"PK broken", None])
def test_damaged_network_is_refused(cli, pruned, content):
    path = pruned / "model.keras"
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    assert "model.keras" in cli.refused("evaluate", pruned)


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--json", "masks.json", "--json must not replace a file in a run's folder, but"),
        ("--html", "model.keras", "--html must end in .html, but is"),
    ],
)
def test_files_of_a_run_are_not_replaced(cli, pruned, option, name, words):
    before = (pruned / name).read_bytes()
    line = cli.refused("evaluate", pruned, option, pruned / name)
    assert words in line
    assert (pruned / name).read_bytes() == before
