"""Wrong input: one line, exit code 2, nothing half-written."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = [sys.executable, "-c", "from stamp_cli.main import main; main()"]
COMMANDS = {
    "pretrain": ("--backbone", "toy", "--image-size", "16", "--epochs", "1", "--budget-epochs", "0"),
    "meta-train": ("--outer-steps", "1", "--ways", "2", "--shots", "2", "--inner-batches", "2"),
    "prune": ("--finetune-epochs", "0", "--no-speed"),
}


@pytest.fixture
def refused(cli, toy, tmp_path, pretrained):
    """Run a command on a toy reference, and check that it refuses and writes nothing; return its line."""

    def run(command, *arguments, source=pretrained):
        before = sorted(tmp_path.rglob("*"))
        given = [command, *COMMANDS[command], "--run-dir", tmp_path / "new/run"]
        if command != "pretrain" and source is not None:
            given += ["--from", source]
        message = cli.refused(*given, *arguments)
        assert sorted(tmp_path.rglob("*")) == before
        return message

    return run


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("prune", ("--dataset", "digts"), "'digits'"),
        ("prune", ("--dataset", "cifer10"), "'cifar10'"),
        ("pretrain", ("--dataset", "digits", "--backbone", "vgg-19"), "'vgg19'"),
        ("prune", ("--dataset", "digits", "--method", "stomp"), "'stamp'"),
        ("meta-train", ("--set-encoder", "settransformer"), "'set-transformer'"),
        ("meta-train", ("--mask-generator", "scores"), "'score'"),
    ],
)
def test_unknown_name_suggests_the_nearest(refused, command, arguments, expected):
    assert f"Did you mean {expected}?" in refused(command, *arguments)


def test_unprepared_set_without_download_answers_at_once(refused, tmp_path):
    started = time.perf_counter()
    message = refused("prune", "--dataset", "cifar10", "--data-dir", tmp_path)
    assert "cifar10 must be prepared before use" in message
    assert "--download" in message
    assert time.perf_counter() - started < 30


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten pictures each."""
    for label, name in enumerate(("cat", "dog")):
        for index in range(10):
            picture(tmp_path / f"pets/{name}/{index}.png", 100 * label + index)
    return tmp_path / "pets"


def test_missing_folder(refused, tmp_path):
    assert "must be a folder, but is not there" in refused("prune", "--dataset", f"folder:{tmp_path}/no")


def test_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "must hold a sub-folder of images per class" in refused(
        "prune", "--dataset", f"folder:{tmp_path}/empty"
    )


def test_folder_of_one_class(refused, folder):
    shutil.rmtree(folder / "dog")
    assert "holds only 'cat'" in refused("prune", "--dataset", f"folder:{folder}")


def test_corrupt_image_is_named_and_skipped_only_on_request(refused, cli, folder, tmp_path, pretrained):
    (folder / "cat/3.png").write_bytes(b"no picture")
    message = refused("prune", "--dataset", f"folder:{folder}")
    assert "cat/3.png cannot be decoded" in message
    assert "--skip-corrupt" in message
    result = cli.done(
        *("prune", *COMMANDS["prune"], "--dataset", f"folder:{folder}", "--skip-corrupt"),
        *("--from", pretrained, "--max-flops", 0.5, "--run-dir", tmp_path / "run"),
    )
    assert "skipped cat/3.png" in result.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x_train": np.zeros((10, 16, 16, 3), np.float32)}, "x_train must be uint8"),
        ({"x_train": np.zeros((10, 16, 16, 4), np.uint8)}, "x_train must have shape [n, H, W, D]"),
        ({"y_train": np.arange(9) % 2}, "y_train must have shape [10]"),
        ({"y_train": np.arange(10) / 2}, "y_train must hold integers"),
        ({"y_train": np.arange(10) % 2 - 1}, "y_train must hold the labels 0 to n - 1"),
        ({"x_test": np.zeros((4, 16, 16, 3), np.uint8), "y_test": np.full(4, 2)}, "labels in [0, 2)"),
    ],
)
def test_npz_with_wrong_content(refused, tmp_path, changes, expected):
    arrays = {"x_train": np.zeros((10, 16, 16, 3), np.uint8), "y_train": np.arange(10) % 2}
    np.savez(tmp_path / "data.npz", **(arrays | changes))
    assert expected in refused("prune", "--dataset", f"npz:{tmp_path}/data.npz")


def test_npz_that_is_missing_or_none(refused, tmp_path):
    assert "must be a file, but there is none" in refused("prune", "--dataset", f"npz:{tmp_path}/no.npz")
    (tmp_path / "text.npz").write_text("hello")
    assert "must be an .npz file" in refused("prune", "--dataset", f"npz:{tmp_path}/text.npz")


def test_fewer_classes_than_ways(refused):
    assert "--ways must be at most the number of classes, but is 6 and" in refused("meta-train", "--ways", 6)


def test_fewer_images_than_shots(refused):
    assert "--shots must be at most the number of images of every class, but is 21" in refused(
        "meta-train", "--shots", 21
    )


def test_mini_batches_that_do_not_divide_the_set(refused):
    message = refused("meta-train", "--inner-batches", 3, "--shots", 5)
    assert "--inner-batches must divide ways x shots = 10" in message


@pytest.mark.parametrize("option", ["--max-flops", "--keep-params"])
@pytest.mark.parametrize("value", ["0", "-0.1", "1.1", "nan"])
def test_budget_outside_its_range(refused, images, option, value):
    assert f"Invalid value for '{option}'" in refused("prune", "--dataset", images, option, value)


@pytest.mark.parametrize("option", ["--max-flops", "--keep-params"])
def test_budget_below_one_channel_per_layer_names_the_smallest(
    refused, cli, images, pretrained, tmp_path, option
):
    message = refused("prune", "--dataset", images, option, 1e-4)
    assert "must allow the smallest reachable network" in message
    words = message.split("smallest reachable network (parameters ")[1].split(")")[0].split(", FLOPs ")
    smallest = words[option == "--max-flops"]
    arguments = ("prune", *COMMANDS["prune"], "--dataset", images, "--from", pretrained)
    cli.done(*arguments, option, smallest, "--run-dir", tmp_path / "run")


def test_memory_below_one_channel_per_layer_names_the_smallest(refused, cli, images, pretrained, tmp_path):
    message = refused("prune", "--dataset", images, "--max-memory", "20B")
    assert "--max-memory must allow the smallest reachable network" in message
    smallest = message.split(" or ")[1].split(")")[0]
    assert smallest.endswith("B")
    arguments = ("prune", *COMMANDS["prune"], "--dataset", images, "--from", pretrained)
    cli.done(*arguments, "--max-memory", smallest, "--run-dir", tmp_path / "run")


def test_latency_that_no_network_has_names_the_smallest(refused, images):
    message = refused("prune", "--dataset", images, "--max-latency", "0.001us")
    assert "--max-latency must allow the smallest reachable network (measured " in message
    assert "at batch size 1), but got 1e-06ms; raise it" in message


def test_layers_to_keep_that_are_not_there(refused, images):
    message = refused("prune", "--dataset", images, "--max-flops", 0.5, "--keep", "covn2")
    assert "--keep must name layers whose channels can be removed, but none matches 'covn2'" in message
    assert "Did you mean 'conv2'?" in message


def test_keeping_all_layers_removes_nothing(refused, images):
    message = refused("prune", "--dataset", images, "--max-flops", 0.5, "--keep", "*")
    assert "--max-flops must allow the smallest reachable network" in message
    assert "ask for less than --keep '*'" in message


def test_rules_without_a_budget(refused, images):
    message = refused("prune", "--dataset", images, "--round-to", 64)
    assert "--round-to 64 must hold for finished masks too, but --method stamp gave other widths" in message


def test_budget_that_removes_nothing(refused, images):
    assert "Pruning must remove something" in refused("prune", "--dataset", images, "--max-flops", 1)


def test_baseline_without_a_budget(refused, images):
    assert "--method l1 needs a budget" in refused("prune", "--dataset", images, "--method", "l1")


def test_option_of_another_method(refused, images):
    arguments = ("--dataset", images, "--method", "random", "--max-flops", 0.5, "--epochs-prune", 1)
    assert "--method random takes widths, allocation, but got epochs_prune" in refused("prune", *arguments)


@pytest.mark.parametrize("command", ["prune", "meta-train"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--backbone", "vgg19"), "--backbone must be that of the reference, but is vgg19 and"),
        (("--width", "0.25"), "--width must be that of the reference, but is 0.25 and"),
        (("--image-size", "32"), "--image-size must be that of the reference, but is 32x32x3 and"),
    ],
)
def test_checkpoint_of_another_network(refused, images, command, arguments, expected):
    message = refused(command, "--dataset", images, *arguments)
    assert expected in message
    assert message.endswith("or name another reference with --from.")


def test_backbone_without_a_bundled_reference(refused, images):
    arguments = ("--dataset", images, "--backbone", "toy", "--max-flops", 0.5)
    assert "--from is needed for --backbone toy" in refused("prune", *arguments, source=None)


@pytest.mark.parametrize("damage", ["truncated", "text", "image", "array", "state", "missing"])
@pytest.mark.parametrize("command", ["prune", "meta-train"])
def test_checkpoint_that_is_none(refused, images, tmp_path, pretrained, command, damage):
    path = tmp_path / "reference.npz"
    content = (pretrained / "reference.npz").read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("weights")
    elif damage == "image":
        picture(tmp_path / "image.png", 3)
        path.write_bytes((tmp_path / "image.png").read_bytes())
    elif damage == "array":
        np.savez(path, weights=np.zeros(3))
    elif damage == "state":
        shutil.copy(next((pretrained / "checkpoints").glob("*.npz")), path)
    message = refused(command, "--dataset", images, source=path)
    assert "heckpoint must" in message or "must name a reference network" in message
    assert "reference.npz" in message


def test_run_of_another_kind_as_reference(refused, images, pruned_once):
    assert "there is no" in refused("prune", "--dataset", images, source=pruned_once)


@pytest.mark.parametrize("command", COMMANDS)
def test_folder_in_use(refused, cli, images, tmp_path, pretrained, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious").write_text("x")
    arguments = ("--dataset", images, "--run-dir", tmp_path / "mine")
    assert "--run-dir must be new or empty" in refused(command, *arguments)
    assert "--overwrite only takes a folder that a run wrote" in refused(command, *arguments, "--overwrite")
    assert "--resume only takes a folder that a run wrote" in refused(command, *arguments, "--resume")


@pytest.mark.parametrize("command", COMMANDS)
def test_folder_below_a_file(refused, images, tmp_path, command):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file/run"):
        message = refused(command, "--dataset", images, "--run-dir", path)
        assert "is a file or below one" in message


@pytest.mark.parametrize("command", COMMANDS)
def test_folder_that_may_not_be_written(refused, images, monkeypatch, tmp_path, command):
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    message = refused(command, "--dataset", images)
    assert "--run-dir must be writable" in message
    assert "Permission denied" in message


def test_overwriting_waits_until_all_is_known_to_be_right(cli, images, pretrained, pruned):
    before = sorted(pruned.rglob("*"))
    arguments = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", pruned, "--overwrite")
    assert "smallest reachable" in cli.refused(*arguments, "--max-flops", 1e-4)
    assert sorted(pruned.rglob("*")) == before


def test_options_changed_on_resume_are_named(cli, images, pretrained, pruned):
    arguments = ("prune", "--dataset", images, "--from", pretrained, "--run-dir", pruned, "--resume")
    message = cli.refused(*arguments, "--max-flops", 0.25, "--batch-size", 32, "--finetune-epochs", 2)
    assert "--resume must repeat the options of the run, but max_flops was 0.5 and is 0.25;" in message


def test_resume_needs_a_folder(cli):
    assert "--resume needs --run-dir, but it is not given; add --run-dir" in cli.refused(
        "prune", "--dataset", "digits", "--resume"
    )


def test_resume_and_overwrite_exclude_each_other(refused, images):
    message = refused("prune", "--dataset", images, "--resume", "--overwrite")
    assert "--resume and --overwrite must not be given together" in message


@pytest.mark.parametrize("name", ["reference.npz", "step-00000001.npz", "config.json"])
def test_full_disk_while_training(cli, toy, tmp_path, images, monkeypatch, name):
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr("stamp_tf.runs.os.replace", full)
    arguments = ("pretrain", *COMMANDS["pretrain"], "--dataset", images, "--run-dir", tmp_path / "run")
    message = cli.refused(*arguments)
    assert message.startswith(f"Cannot use {tmp_path / 'run'}")
    assert "No space left on device; free some space" in message
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name == name or ".tmp" in path.name]


@pytest.mark.parametrize("name", ["masks.json", "model.keras", "saved_model", "report.json"])
def test_full_disk_while_exporting_leaves_no_half_file(
    cli, toy, tmp_path, images, pretrained, monkeypatch, name
):
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    run_dir = tmp_path / "run"
    arguments = ("prune", *COMMANDS["prune"], "--dataset", images, "--from", pretrained, "--max-flops", 0.5)
    assert "No space left on device" in cli.refused(*arguments, "--run-dir", run_dir)
    assert not (run_dir / name).exists()
    assert not [path for path in run_dir.rglob("*") if ".tmp" in path.name]
    assert not (run_dir / "report.json").exists()
    monkeypatch.undo()


def wait_for(path: Path, pattern: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not list(path.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_saves_the_state_and_ends_with_130(cli, toy, toy_environment, tmp_path, images):
    run_dir = tmp_path / "run"
    arguments = ["pretrain", "--backbone", "toy", "--image-size", "16", "--dataset", images]
    arguments += ["--run-dir", str(run_dir), "--epochs", "100000", "--budget-epochs", "0"]
    with subprocess.Popen(
        [*SCRIPT, *arguments],
        env=toy_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets the jobs it runs in the background ignore SIGINT; this one has to heed it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_for(run_dir, "checkpoints/step-*.npz", process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        f"Interrupted; the state of the last whole epoch is saved in {run_dir}; continue with --resume."
    )
    assert "Traceback" not in errors
    assert not [path for path in run_dir.rglob("*") if ".tmp" in path.name]
