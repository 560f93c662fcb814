"""`stamp-tf finetune`: a run goes on, and stays whole until it has."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from stamp_tf.references.reference_file import save_reference

FURTHER = ("--epochs", 2, "--batch-size", 32)


def report(run):
    return json.loads((run / "report.json").read_text())


def test_networks_and_report_are_replaced(cli, pruned, pruned_once):
    result = cli.done("finetune", pruned, *FURTHER)
    assert "Test accuracy" in result.stdout
    before, after = report(pruned_once), report(pruned)
    assert [point["epoch"] for point in after["curve"]] == [0, 1, 2, 3, 4]
    assert after["seconds"] > before["seconds"]
    assert after["times"]["finetune"] > before["times"]["finetune"]
    assert after["details"]["epochs"] == 4
    old, new = (keras.saving.load_model(run / "model.keras").get_weights() for run in (pruned_once, pruned))
    assert not all(np.array_equal(one, other) for one, other in zip(old, new, strict=True))
    assert not (pruned / "further_training").exists()


def test_interrupted_training_leaves_the_run_and_resumes(cli, pruned, pruned_once, interrupt):
    interrupt(5)
    result = cli("finetune", pruned, *FURTHER)
    assert result.exit_code == 130
    assert "the state of the last whole epoch is saved" in result.stderr
    assert (pruned / "model.keras").read_bytes() == (pruned_once / "model.keras").read_bytes()
    message = cli.refused("finetune", pruned, *FURTHER, "--learning-rate", 0.5, "--resume")
    assert "--learning-rate was 0.01 and is 0.5" in message
    cli.done("finetune", pruned, *FURTHER, "--resume")
    assert [point["epoch"] for point in report(pruned)["curve"]] == [0, 1, 2, 3, 4]


def test_the_teacher_is_found_again_and_the_report_names_it(cli, pruned):
    cli.done("finetune", pruned, *FURTHER, "--distill", 0.5)
    assert report(pruned)["details"]["distill"] == "0.5 of the loss, temperature 4"
    assert "0.5 of the loss, temperature 4" in (pruned / "report.html").read_text()


def test_a_teacher_that_is_gone_or_another_one_is_refused_and_named_by_hand(
    cli, pruned, pretrained, tmp_path
):
    config = json.loads((pruned / "config.json").read_text())
    config["from"] = str(tmp_path / "gone")
    (pruned / "config.json").write_text(json.dumps(config))
    before = {path: path.read_bytes() for path in pruned.rglob("*") if path.is_file()}
    message = cli.refused("finetune", pruned, *FURTHER, "--distill", 0.5)
    assert f"--distill needs the reference of {pruned}, but it cannot be loaded" in message
    assert "name it with --from, or leave --distill out." in message
    from stamp_tf.references.reference_file import load_reference

    other = load_reference(pretrained / "reference.npz")
    other.model.trainable_variables[0].assign(other.model.trainable_variables[0] + 1.0)
    save_reference(other, tmp_path / "other.npz")
    message = cli.refused("finetune", pruned, *FURTHER, "--distill", 0.5, "--from", tmp_path / "other.npz")
    assert "but found another one" in message
    assert {path: path.read_bytes() for path in pruned.rglob("*") if path.is_file()} == before
    cli.done("finetune", pruned, *FURTHER, "--distill", 0.5, "--from", pretrained)


def test_reference_is_not_a_pruned_network(cli, toy, pretrained):
    message = cli.refused("finetune", pretrained)
    assert "RUN must hold a pruned network" in message
    assert "prune for a data set first" in message


def test_other_data_set_needs_the_same_classes(cli, pruned, make_images):
    message = cli.refused("finetune", pruned, "--dataset", f"npz:{make_images('other.npz', num_classes=3)}")
    assert "must have the 5 classes of the network, but has 3" in message


@pytest.fixture
def without_test_part(images, tmp_path) -> str:
    """The toy images that are trained on, in a file of their own."""
    with np.load(images.removeprefix("npz:")) as arrays:
        np.savez(tmp_path / "train.npz", x_train=arrays["x_train"], y_train=arrays["y_train"])
    return f"npz:{tmp_path / 'train.npz'}"


def test_a_doubt_about_the_images_tested_is_in_the_report(cli, pruned, without_test_part):
    config = json.loads((pruned / "config.json").read_text())
    del config["data"]  # As an older version left it.
    (pruned / "config.json").write_text(json.dumps(config))
    done = cli.done("finetune", pruned, "--epochs", "1", "--dataset", without_test_part)
    report = json.loads((pruned / "report.json").read_text())
    assert report["history"][0]["doubt"] == ""
    doubt = report["history"][-1]["doubt"]
    assert "was made by an older version, which held out other images" in doubt
    assert f"In doubt     {doubt}\n" in done.stdout
    page = (pruned / "report.html").read_text()
    assert page.count("held out other images of a data set without a test part") == 2
    assert "<b>Test accuracy in doubt.</b>" in page


def test_a_reference_of_an_older_version_puts_its_doubt_into_the_report(
    cli, toy, pretrained, without_test_part, tmp_path
):
    from stamp_tf.references.reference_file import load_reference

    reference = load_reference(pretrained / "reference.npz")
    description = {name: value for name, value in reference.description.items() if name != "data"}
    description["dataset"] = without_test_part
    save_reference(dataclasses.replace(reference, description=description), tmp_path / "old.npz")
    run = tmp_path / "run"
    options = (
        "--max-flops",
        "0.5",
        "--finetune-epochs",
        "0",
        "--no-speed",
        "--export",
        "keras",
        "--run-dir",
        run,
    )
    cli.done("prune", "--dataset", without_test_part, "--from", tmp_path / "old.npz", *options)
    (step,) = json.loads((run / "report.json").read_text())["history"]
    assert "the reference was trained on it by an older version" in step["doubt"]
    assert step["doubt"] in cli.done("evaluate", run).stderr
    cli.done("finetune", run, "--epochs", "1")
    first, second = json.loads((run / "report.json").read_text())["history"]
    assert second["doubt"] == first["doubt"]


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        (
            "report.json",
            {"params": 771},
            "parameters, but is of one with 771; bring back the files that belong",
        ),
        ("masks.json", {"kept": {"conv1": [0]}}, "must be of the channels in masks.json, but is of others"),
    ],
)
def test_files_of_two_runs_are_not_taken_for_one(cli, pruned, name, change, rule):
    content = json.loads((pruned / name).read_text())
    for field, value in change.items():
        content[field] = content[field] | value if isinstance(value, dict) else value
    (pruned / name).write_text(json.dumps(content))
    before = {path: path.read_bytes() for path in pruned.rglob("*") if path.is_file()}
    assert rule in cli.refused("finetune", pruned, "--epochs", "1")
    assert {path: path.read_bytes() for path in pruned.rglob("*") if path.is_file()} == before


def test_epochs_are_judged_by_training_images_held_out(cli, pruned):
    cli.done("finetune", pruned, "--epochs", 2, "--batch-size", 32, "--val-split", "30%", "--patience", 2)
    after = report(pruned)
    added = [point for point in after["curve"] if point["entry"] == 1]
    assert [point["validation_accuracy"] is not None for point in added] == [True, True]
    assert [point["test_accuracy"] for point in added] == [None, None]
    assert after["history"][-1]["test_accuracy"] == after["test_accuracy"]
    # The images tested are the same, and so is what the full network is worth on them.
    assert after["full"]["images"] == after["history"][-1]["test_images"]
