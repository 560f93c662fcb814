"""`stamp-tf prune`: a smaller network, its exports and its report."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from stamp_tf.channels import trace_channels

PRUNE = (
    "--max-flops",
    "0.5",
    "--finetune-epochs",
    "2",
    "--no-speed",
    "--export",
    "keras",
    "--batch-size",
    "32",
)
AT_ONCE = ("--max-flops", "0.5", "--finetune-epochs", "0", "--no-speed", "--export", "keras")
FILES = (
    "README.md",
    "config.json",
    "masks.json",
    "metrics.jsonl",
    "model.keras",
    "report.html",
    "report.json",
)


def read(path):
    return json.loads(path.read_text())


def test_run_holds_everything(pruned_once):
    assert all((pruned_once / name).stat().st_size > 0 for name in FILES)
    assert (pruned_once / "saved_model/saved_model.pb").exists()
    report = read(pruned_once / "report.json")
    assert {"method", "test_accuracy", "params_fraction", "flops_fraction", "seconds"} <= set(report)
    assert 0 < report["flops_fraction"] <= 0.5
    assert [point["epoch"] for point in report["curve"]] == [0, 1, 2]
    assert report["command"].startswith("stamp-tf")


def test_the_rate_that_was_taken_is_recorded(pruned_once):
    config = json.loads((pruned_once / "config.json").read_text())
    assert (config["learning_rate"], config["clip_norm"]) == (0.05, None)


def test_network_has_the_widths_of_the_masks_and_nothing_of_ours(pruned_once):
    model = keras.saving.load_model(pruned_once / "model.keras")
    masks = read(pruned_once / "masks.json")
    assert dict(zip(masks["widths"], trace_channels(model).group_sizes, strict=True)) == masks["widths"]
    assert {name: len(kept) for name, kept in masks["kept"].items()} == masks["widths"]
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)


def test_summary_says_what_and_where(cli, toy, tmp_path, images, pretrained):
    run_dir = tmp_path / "run"
    result = cli.done(
        *("prune", "--dataset", images, "--from", pretrained, "--run-dir", run_dir, *AT_ONCE),
        *("--export", "saved-model", "--dollars-per-hour", 3),
    )
    for words in (
        "Test accuracy",
        "Full network",
        "Parameters",
        "FLOPs",
        "Time",
        "Expense",
        f"{run_dir / 'report.html'}",
    ):
        assert words in result.stdout
    assert read(run_dir / "report.json")["dollars_per_hour"] == 3
    last_lines = result.stdout.rstrip().splitlines()[-4:]
    for line, words in zip(
        last_lines,
        (
            "pixels 0 to 255, of any size (resized to 16 x 16",
            "5 classes: 0, 1",
            "saved_model.load",
            "16, 16, 3",
        ),
        strict=True,
    ):
        assert words in line


def test_folder_is_chosen_and_small_gray_images_are_resized(cli, toy, tmp_path, pretrained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("prune", "--dataset", "digits", "--train-size", 100, "--from", pretrained, *AT_ONCE)
    for number in (1, 2):
        cli.done(*arguments)
        assert (tmp_path / f"runs/digits-stamp-{number}/report.json").exists()
    assert keras.saving.load_model("runs/digits-stamp-1/model.keras").input_shape == (None, 16, 16, 3)


def test_backbone_is_that_of_the_checkpoint(pruned_once):
    assert read(pruned_once / "config.json")["backbone"]["name"] == "toy"


def test_speed_is_measured_unless_told_not_to(cli, toy, tmp_path, images, pretrained):
    options = ("--max-flops", 0.5, "--finetune-epochs", 0, "--export", "keras", "--run-dir", tmp_path / "run")
    cli.done("prune", "--dataset", images, "--from", pretrained, *options)
    rows = read(tmp_path / "run/report.json")["speed"]
    assert {(row["kind"], row["batch_size"]) for row in rows} == {
        ("inference", 1),
        ("inference", 128),
        ("training", 128),
    }


@pytest.mark.parametrize("method", ["random", "l1", "l2", "batch-norm", "taylor"])
def test_baselines_meet_the_same_budget(cli, toy, tmp_path, images, pretrained, method):
    options = (*AT_ONCE, "--method", method, "--run-dir", tmp_path / "run")
    cli.done("prune", "--dataset", images, "--from", pretrained, *options)
    report = read(tmp_path / "run/report.json")
    assert report["method"] == method
    assert report["flops_fraction"] <= 0.5


def test_random_takes_the_widths_of_another_run(cli, toy, tmp_path, images, pretrained, pruned_once):
    options = (
        "--method",
        "random",
        "--widths",
        pruned_once,
        "--finetune-epochs",
        0,
        "--no-speed",
        "--export",
        "keras",
    )
    run_dir = tmp_path / "run"
    cli.done("prune", "--dataset", images, "--from", pretrained, *options, "--run-dir", run_dir)
    masks, given = read(run_dir / "masks.json"), read(pruned_once / "masks.json")
    assert masks["widths"] == given["widths"]
    assert masks["kept"] != given["kept"]


def test_structure_only_keeps_the_widths_alone(cli, toy, tmp_path, images, pretrained, pruned_once):
    options = (*AT_ONCE, "--structure-only", "--run-dir", tmp_path / "run")
    cli.done("prune", "--dataset", images, "--from", pretrained, *options)
    assert read(tmp_path / "run/masks.json")["kept"] == read(pruned_once / "masks.json")["kept"]
    fresh, trained = (
        keras.saving.load_model(path / "model.keras").get_layer("conv2").kernel
        for path in (tmp_path / "run", pruned_once)
    )
    assert not np.allclose(fresh, trained, atol=1e-3)


def test_parameters_may_be_the_limit(cli, toy, tmp_path, images, pretrained):
    options = (
        "--keep-params",
        0.3,
        "--finetune-epochs",
        0,
        "--no-speed",
        "--export",
        "keras",
        "--run-dir",
        tmp_path / "run",
    )
    cli.done("prune", "--dataset", images, "--from", pretrained, *options)
    assert read(tmp_path / "run/report.json")["params_fraction"] <= 0.3


def test_activation_memory_may_be_the_limit(cli, toy, tmp_path, images, pretrained):
    fractions = {}
    for limit in ("0.6", "3kB"):
        run_dir = tmp_path / limit
        options = (
            "--max-memory",
            limit,
            "--finetune-epochs",
            0,
            "--no-speed",
            "--export",
            "keras",
            "--run-dir",
            run_dir,
        )
        result = cli.done("prune", "--dataset", images, "--from", pretrained, *options)
        assert "Activation memory" in result.stdout
        report = read(run_dir / "report.json")
        fractions[limit] = report["memory_fraction"]
        assert report["memory_fraction"] == report["activation_bytes"] / report["full_activation_bytes"]
        assert "Activation memory left" in (run_dir / "report.html").read_text()
    assert fractions["0.6"] <= 0.6
    assert fractions["3kB"] * report["full_activation_bytes"] <= 3000
    assert report["details"]["max_memory"] == "3.00 kB"
    assert read(run_dir / "config.json")["max_memory"] == 3000


def test_latency_may_be_the_limit_beside_others(cli, toy, tmp_path, images, pretrained):
    """Ten seconds are enough for the whole toy network, so that its FLOPs decide."""
    options = (
        "--max-latency",
        "10s",
        "--max-flops",
        0.5,
        "--latency-batch",
        2,
        "--no-speed",
        "--export",
        "keras",
    )
    run_dir = tmp_path / "run"
    arguments = ("--finetune-epochs", 0, "--run-dir", run_dir)
    cli.done("prune", "--dataset", images, "--from", pretrained, *options, *arguments)
    report = read(run_dir / "report.json")
    assert 0.4 < report["flops_fraction"] <= 0.5
    assert report["details"]["latency"].endswith("batch 2)")
    assert report["details"]["max_latency"] == "10.0 s"


def test_budget_is_found_by_accuracy(cli, toy, tmp_path, images, pretrained):
    path = tmp_path / "run"
    arguments = ("--dataset", images, "--from", pretrained, "--within", "20%", "--run-dir", path)
    result = cli.done("prune", *arguments, "--finetune-epochs", "1", "--no-speed", "--export", "keras")
    assert re.search(r"--within 0.2 leaves .* of the FLOPs and .* below the full network's", result.stderr)
    tried = read(path / "report.json")["tried"]
    assert (tried[0]["flops_fraction"], tried[0]["lost"]) == (1.0, 0.0)
    (chosen,) = [row for row in tried if row["is_chosen"]]
    assert chosen["lost"] <= 0.2
    assert chosen["flops_fraction"] == read(path / "report.json")["flops_fraction"] < 1
    (line,) = [line for line in result.stdout.splitlines() if line.rstrip().endswith("chosen")]
    assert f"{100 * chosen['accuracy']:.0f}" in line
    assert "within: 20%" in (path / "options.yaml").read_text()
    assert read(path / "config.json")["within"] == 0.2
    assert "How it was chosen" in (path / "report.html").read_text()
    cli.done("finetune", path, "--epochs", "1")
    assert read(path / "report.json")["tried"] == tried


def test_widths_follow_the_rules(cli, toy, tmp_path, images, pretrained):
    options = (
        "--max-flops",
        0.6,
        "--round-to",
        2,
        "--min-channels",
        3,
        "--keep",
        "*1",
        "--no-speed",
        "--export",
        "keras",
    )
    run_dir = tmp_path / "run"
    arguments = ("--finetune-epochs", 0, "--run-dir", run_dir)
    cli.done("prune", "--dataset", images, "--from", pretrained, *options, *arguments)
    masks, config = read(run_dir / "masks.json"), read(run_dir / "config.json")
    assert masks["widths"]["conv1"] == masks["sizes"]["conv1"]
    others = [width for name, width in masks["widths"].items() if name != "conv1"]
    assert all(width % 2 == 0 and width >= 4 for width in others)
    assert (config["round_to"], config["min_channels"], config["keep"]) == (2, 3, ["*1"])


def test_options_of_fine_tuning_arrive(cli, toy, tmp_path, images, pretrained):
    run_dir = tmp_path / "run"
    cli.done(
        *("prune", "--dataset", images, "--from", pretrained, *PRUNE, "--run-dir", run_dir, "--no-flip"),
        *("--schedule", "step", "--learning-rate", 0.01, "--mixed-precision", "--train-size", 50),
    )
    config = read(run_dir / "config.json")
    given = {"schedule": "step", "learning_rate": 0.01, "mixed_precision": True, "batch_size": 32}
    assert given | {"flip": False, "train_size": 50, "epochs": 2} == {
        name: config[name] for name in (*given, "flip", "train_size", "epochs")
    }
    assert read(run_dir / "report.json")["details"]["train_images"] == 50


def test_interrupted_run_resumes_to_the_same_network(
    cli, toy, tmp_path, images, pretrained, pruned_once, interrupt
):
    run_dir = tmp_path / "run"
    arguments = ("prune", *PRUNE, "--dataset", images, "--from", pretrained, "--run-dir", run_dir)
    interrupt(5)
    result = cli(*arguments)
    assert result.exit_code == 130
    assert f"the state of the last whole epoch is saved in {run_dir}; continue with --resume" in result.stderr
    assert not (run_dir / "report.json").exists()
    cli.done(*arguments, "--resume")
    resumed, straight = (
        keras.saving.load_model(path / "model.keras").get_weights() for path in (run_dir, pruned_once)
    )
    for one, other in zip(resumed, straight, strict=True):
        np.testing.assert_array_equal(one, other)


def test_tensorboard_is_an_extra(cli, toy, tmp_path, images, pretrained, monkeypatch):
    monkeypatch.setattr("stamp_cli.tensorboard.find_spec", lambda name: None)
    options = (*PRUNE, "--tensorboard", "--run-dir", tmp_path / "run")
    message = cli.refused("prune", "--dataset", images, "--from", pretrained, *options)
    assert "pip install 'stamp-tf[tensorboard]'" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_first_use_needs_nothing_but_the_name_of_a_data_set(tmp_path):
    code = "from stamp_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "prune", "--dataset", "digits", "--train-size", "400"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = read(tmp_path / "runs/digits-stamp-1/report.json")
    assert report["test_accuracy"] > 0.9
    assert report["flops_fraction"] < 1
