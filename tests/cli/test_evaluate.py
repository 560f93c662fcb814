"""`stamp-tf evaluate`: the accuracy that the report has, on the images that the run held out."""

import json
import re

import numpy as np
import pytest

from stamp_tf.data import load_dataset
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

    def count_hits(model, images, normalization):
        seen.append(images.images)
        return TestCounts(np.zeros(5, int), np.bincount(images.labels, minlength=5))

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
    assert "must be a run directory, but it has no config.json" in cli.refused("evaluate", tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK broken", None])
def test_damaged_network_is_refused(cli, pruned, content):
    path = pruned / "model.keras"
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    assert "model.keras" in cli.refused("evaluate", pruned)
