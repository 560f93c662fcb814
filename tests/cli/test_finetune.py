"""`stamp-tf finetune`: a run goes on, and stays whole until it has."""

import json

import keras
import numpy as np

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


def test_reference_is_not_a_pruned_network(cli, toy, pretrained):
    message = cli.refused("finetune", pretrained)
    assert "RUN must hold a pruned network" in message
    assert "prune for a data set first" in message


def test_other_data_set_needs_the_same_classes(cli, pruned, make_images):
    message = cli.refused("finetune", pruned, "--dataset", f"npz:{make_images('other.npz', num_classes=3)}")
    assert "must have the 5 classes of the network, but has 3" in message
