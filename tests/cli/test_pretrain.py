"""`stamp-tf pretrain`: options, files, and a run that survives an interrupt."""

import json

import numpy as np
import pytest

PRETRAIN = ("--backbone", "toy", "--image-size", "16", "--epochs", "1", "--budget-epochs", "2")


def test_run_holds_the_reference_and_what_made_it(pretrained, images):
    assert {path.name for path in pretrained.iterdir()} == {
        "checkpoints",
        "config.json",
        "metrics.jsonl",
        "options.yaml",
        "reference.npz",
    }
    config = json.loads((pretrained / "config.json").read_text())
    assert (config["dataset"], config["backbone"], config["image_shape"]) == (images, "toy", [16, 16, 3])
    lines = [json.loads(line) for line in (pretrained / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("epoch") for line in lines] == [1, 2, 3, None]
    assert "masked_accuracy" in lines[2]


def test_backbone_options_arrive(cli, toy, tmp_path, images):
    options = ("--backbone", "toy", "--image-size", "16x24", "--backbone-option", "width=0.5")
    result = cli.done(
        *("pretrain", *options, "--epochs", 1, "--budget-epochs", 0),
        *("--dataset", images, "--run-dir", tmp_path / "run"),
    )
    assert result.stdout.startswith("Test accuracy")
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert (config["backbone_options"], config["image_shape"]) == ({"width": 0.5}, [16, 24, 3])


def test_interrupted_run_resumes_to_the_same_network(cli, toy, tmp_path, images, pretrained, interrupt):
    run_dir = tmp_path / "run"
    arguments = ("pretrain", *PRETRAIN, "--dataset", images, "--run-dir", run_dir)
    # 100 images make one batch, so that each step is an epoch; the third is interrupted before it is saved.
    interrupt(3)
    result = cli(*arguments)
    assert result.exit_code == 130
    assert f"the state of the last whole epoch is saved in {run_dir}; continue with --resume" in result.stderr
    assert "Traceback" not in result.stderr
    cli.done(*arguments, "--resume")
    with np.load(run_dir / "reference.npz") as resumed, np.load(pretrained / "reference.npz") as straight:
        assert resumed.files == straight.files
        for name in resumed.files:
            np.testing.assert_array_equal(resumed[name], straight[name], err_msg=name)


def test_options_changed_on_resume_are_named(cli, toy, tmp_path, images, pretrained):
    arguments = ("pretrain", *PRETRAIN, "--dataset", images, "--run-dir", pretrained, "--resume")
    message = cli.refused(*arguments, "--batch-size", 64, "--train-size", 50)
    assert "--batch-size was 128 and is 64, --dataset had 100 training images and has 50;" in message


def test_finished_run_is_replaced_only_on_request(cli, toy, tmp_path, images):
    arguments = ("pretrain", *PRETRAIN, "--dataset", images, "--run-dir", tmp_path / "run")
    arguments += ("--budget-epochs", 0)
    cli.done(*arguments)
    before = (tmp_path / "run/reference.npz").read_bytes()
    assert "--run-dir must be new or empty" in cli.refused(*arguments, "--seed", 1)
    assert (tmp_path / "run/reference.npz").read_bytes() == before
    cli.done(*arguments, "--seed", 1, "--overwrite")
    assert (tmp_path / "run/reference.npz").read_bytes() != before


@pytest.mark.parametrize("value", ["0.5", "0:1", "0.5:0.2", "0.1:2", "a:b"])
def test_budgets_are_a_range(cli, value):
    arguments = ("pretrain", "--dataset", "digits", "--run-dir", "x", "--budgets", value)
    assert "must be LOW:HIGH with 0 < LOW <= HIGH <= 1" in cli.refused(*arguments)


def test_training_goes_on_from_a_reference(cli, toy, tmp_path, images, pretrained):
    arguments = ("pretrain", *PRETRAIN, "--dataset", images, "--run-dir", tmp_path / "run")
    cli.done(*arguments, "--from", pretrained, "--epochs", 0, "--budget-epochs", 1)
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["start"]["dataset"] == images


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (("--width", 0.5), "--width must be that of the reference, but is 0.5"),
        (("--image-size", 32), "--image-size must be that of the reference, but is 32x32x3"),
        (("--backbone-option", "width=0.5"), "--from must be a reference of the same backbone"),
    ],
)
def test_reference_of_another_network_is_refused(cli, toy, tmp_path, images, pretrained, option, expected):
    arguments = ("pretrain", *PRETRAIN, "--dataset", images, "--run-dir", tmp_path / "run")
    assert expected in cli.refused(*arguments, "--from", pretrained, *option)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["pretrain", "meta-train"])
def test_a_wrong_description_of_workers_is_refused(cli, tmp_path, images, monkeypatch, command):
    monkeypatch.setenv("TF_CONFIG", "worker 1 of 2")
    message = cli.refused(command, "--dataset", images, "--run-dir", tmp_path / "run")
    assert "The environment variable TF_CONFIG must be like" in message
    assert not (tmp_path / "run").exists()
