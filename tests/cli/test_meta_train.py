"""`stamp-tf meta-train`: options, files, replicas, and a run that survives an interrupt."""

import json

import numpy as np
import pytest

from stamp_tf.meta.meta_step import compile_meta_step

EPISODES = ("--outer-steps", 3, "--tasks", 2, "--ways", 2, "--shots", 6, "--inner-batches", 2)
SMALL = (
    "--set-encoder",
    "deep-sets",
    "--set-encoder-option",
    "width=8",
    "--set-encoder-option",
    "num_outputs=2",
)


def arrays(path):
    with np.load(path / "reference.npz") as file:
        return {name: file[name] for name in file.files if name != "metadata"}


@pytest.fixture(scope="module")
def meta_trained(cli, tmp_path_factory, toy_on_path, pretrained, eager_steps):
    path = tmp_path_factory.mktemp("runs") / "meta"
    with eager_steps():
        cli.done("meta-train", *EPISODES, *SMALL, "--from", pretrained, "--run-dir", path)
    return path


@pytest.fixture
def eagerly(eager_steps):
    """Compile no step for the length of a test."""
    with eager_steps():
        yield


def test_run_holds_the_reference_and_what_made_it(meta_trained, pretrained, images):
    config = json.loads((meta_trained / "config.json").read_text())
    assert config["dataset"] == images  # the reference's own, as none was named
    assert config["backbone"]["name"] == "toy"
    assert config["set_encoder_options"] == {"width": 8, "num_outputs": 2}
    lines = [json.loads(line) for line in (meta_trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"loss", "prior", "accuracy", "keep_ratio"} <= set(lines[0])
    assert any(name.startswith("mask_generator/") for name in arrays(meta_trained))


def test_run_interrupted_within_a_step_resumes_to_the_same_networks(
    cli, toy, tmp_path, pretrained, meta_trained, monkeypatch, eagerly
):
    run_dir = tmp_path / "run"
    arguments = ("meta-train", *EPISODES, *SMALL, "--from", pretrained, "--run-dir", run_dir)
    compiled = compile_meta_step

    def interrupted(*given, **options):
        step, calls = compiled(*given, **options), []

        def once(*batch):
            figures = step(*batch)
            calls.append(batch)
            if len(calls) == 2:
                raise KeyboardInterrupt  # as Python does behind the call during which Ctrl-C was pressed
            return figures

        return once

    with monkeypatch.context() as patch:
        patch.setattr("stamp_tf.meta.meta_step.compile_meta_step", interrupted)
        result = cli(*arguments)
    assert result.exit_code == 130
    assert result.stderr.endswith(f"Interrupted; state saved in {run_dir}; continue with --resume.\n")
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')  # as a kill leaves it
    cli.done(*arguments, "--resume")
    resumed, straight = arrays(run_dir), arrays(meta_trained)
    assert resumed.keys() == straight.keys()
    for name, value in resumed.items():
        np.testing.assert_array_equal(value, straight[name], err_msg=name)
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 3]


def test_meta_trained_reference_prunes_without_a_budget(cli, toy, tmp_path, images, meta_trained):
    options = ("--finetune-epochs", 0, "--no-speed", "--export", "keras", "--run-dir", tmp_path / "run")
    cli.done("prune", "--dataset", images, "--from", meta_trained, *options)
    assert 0 < json.loads((tmp_path / "run/report.json").read_text())["flops_fraction"] < 1


@pytest.mark.slow
def test_pruning_epochs_take_steps_on_the_target(cli, toy, tmp_path, images, meta_trained):
    options = (
        "--max-flops",
        0.5,
        "--epochs-prune",
        1,
        "--finetune-epochs",
        0,
        "--no-speed",
        "--export",
        "keras",
    )
    result = cli.done(
        "prune", "--dataset", images, "--from", meta_trained, *options, "--run-dir", tmp_path / "run"
    )
    assert "Pruning: 1 of 1" in result.stderr
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["options"] == {"epochs_prune": 1.0}


@pytest.mark.slow
def test_replicas_share_the_tasks(cli, toy, tmp_path, pretrained, meta_trained, two_cpus, eagerly):
    cli.done(
        *("meta-train", *EPISODES, *SMALL, "--from", pretrained, "--replicas", 2),
        *("--run-dir", tmp_path / "run"),
    )
    one, two = arrays(meta_trained), arrays(tmp_path / "run")
    for name, value in two.items():
        np.testing.assert_allclose(value, one[name], atol=0.02, err_msg=name)


def test_prior_is_needed_for_kl(cli, toy, tmp_path, pretrained):
    message = cli.refused(
        *("meta-train", *EPISODES, "--from", pretrained, "--sparsity", "kl"),
        *("--run-dir", tmp_path / "run"),
    )
    assert "--sparsity kl needs a mask generator with a prior" in message
    assert not (tmp_path / "run").exists()


def test_option_that_the_set_encoder_does_not_know_is_refused(cli, toy, tmp_path, pretrained):
    message = cli.refused(
        *("meta-train", *EPISODES, "--from", pretrained, "--set-encoder-option", "depth=3"),
        *("--run-dir", tmp_path / "run"),
    )
    assert "set-transformer must accept its options" in message
    assert not (tmp_path / "run").exists()
