"""Options in a file: read under what is typed, refused like it, and kept by every run."""

import json
import os
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def write(tmp_path):
    """Write a file of options."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "run.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "max-flop: 0.5",
            "{path} must hold options of prune by their flags without the dashes in front, but holds 'max-flop'; "
            "leave it out. Did you mean 'max-flops'?",
        ),
        ("max_flops: 0.5", "'max_flops'; leave it out. Did you mean 'max-flops'?"),
        ("config: a.yaml", "'config'; leave it out."),
        ("max-flops: 25", "Invalid value for 'max-flops' in {path}: '25' must be a fraction above 0"),
        ("batch-size: 0", "Invalid value for 'batch-size' in {path}: 0 is not in the range"),
        ("seed: [1, 2]", "seed in {path} must be one value, but is a list; write one."),
        ("download: maybe", "download in {path} must be true or false, but is 'maybe'; write one of them."),
        ("refit: maybe", "refit in {path} must be true or false, but is 'maybe'; write one of them."),
        (
            "seed: 1.5",
            "Invalid value for 'seed' in {path}: '1.5' must be a whole number from 0 to 4294967295; write",
        ),
        (
            "learning-rate: fast",
            "Invalid value for 'learning-rate' in {path}: 'fast' must be a number; write one",
        ),
        ("method: l3", "Invalid value for 'method' in {path}: "),
        (
            "method-option: {rates: .nan, 5: 1}",
            "Invalid value for 'method-option' in {path}: '5=1' must be KEY=VALUE",
        ),
        (
            "seed: 1\nmethod: l1\nseed: 2",
            "but {path} holds 'seed' twice, in lines 1 and 3; leave one of them out.",
        ),
        (
            "method-option: {rates: 1, rates: 2}",
            "but {path} holds 'rates' twice, in line 1; leave one of them out.",
        ),
        ("? [a]\n: 2", "but {path} has a name in line 1 that is no text; write NAME: VALUE."),
        ("a: 1\n b: 2", "holds something else in line 2 (mapping values are not allowed here); mend it."),
        ("a: &a [1]\nb: *a", "but {path} refers to parts of itself; write them out."),
        ("", "but {path} is empty; name another."),
        ("# nothing", "but {path} is empty; name another."),
        ("- seed", "but {path} holds a list; write NAME: VALUE."),
        ("seed", "but {path} holds a text; write NAME: VALUE."),
        ("seed: [", "but {path} holds something else in line 1 (expected the node content"),
        ("[" * 1500, "but {path} "),
        (b"\xff\xfe\x00", "but {path} holds no text in UTF-8; name another."),
        (b"a: \x00", "but {path} holds something else; mend it."),
        ("#" * 1_000_001, "but {path} is too large; name another."),
        ("finetune-epochs: 0\nbatch-size: 64", "--batch-size needs fine-tuning, but --finetune-epochs is 0"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(cli, write, text, expected):
    path = write(text)
    message = cli.refused("prune", "--config", path, "--dataset", "digits")
    assert expected.format(path=path) in message


def test_a_file_must_be_there_and_given_once(cli, tmp_path, write):
    assert "nothing.yaml is not there" in cli.refused("prune", "--config", tmp_path / "nothing.yaml")
    assert f"{tmp_path} is a folder" in cli.refused("prune", "--config", tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "pipe.yaml is no file; name another." in cli.refused("prune", "--config", tmp_path / "pipe.yaml")
    path = write("dataset: digits")
    twice = cli.refused("prune", "--config", path, "--config", path, as_typed=True)
    assert "--config must be given once, but came 2 times" in twice


def test_what_is_typed_comes_first(cli, write):
    path = write("dataset: nothing-of-the-kind\nmax-flops: 0.5\nmethod: l3")
    message = cli.refused(
        "prune", "--config", path, "--method", "l1", "--dataset", "digits", "--head", "keep"
    )
    assert "l3" not in message
    assert "--head keep" in message


def test_a_flag_of_a_file_is_taken_back(cli, write):
    path = write("dataset: digits\nmethod: l1\ndownload: true")
    assert "--download needs" in cli.refused("prune", "--config", path)
    assert "--method l1 needs a budget" in cli.refused("prune", "--config", path, "--no-download")


def test_a_file_may_give_what_is_required(cli, write, tmp_path):
    path = write(f"dataset: digits\nrun-dir: {tmp_path / 'run'}\nepochs: 0\nbudget-epochs: 0")
    assert "at least 1 together" in cli.refused("pretrain", "--config", path)


def test_a_default_in_a_file_asks_for_nothing(cli, write):
    path = write("finetune-epochs: 0\nbatch-size: 128\nlatency-batch: 1\nmethod: l1")
    message = cli.refused("prune", "--config", path, "--dataset", "digits")
    assert "--method l1 needs a budget" in message


def test_a_run_keeps_its_options_and_is_repeated_by_them(cli, toy, tmp_path, pruned_once):
    text = (pruned_once / "options.yaml").read_text()
    assert text.startswith("# stamp-tf prune --config THIS_FILE does it again.")
    kept = yaml.safe_load(text)
    assert (kept["max-flops"], kept["finetune-epochs"], kept["learning-rate"]) == ("0.5", 2, 0.05)
    assert kept["method"] == "stamp"
    assert not {"run-dir", "resume", "latency-batch", "download"} & set(kept)
    other = tmp_path / "other"
    cli.done("prune", "--config", pruned_once / "options.yaml", "--run-dir", other)
    assert (other / "masks.json").read_bytes() == (pruned_once / "masks.json").read_bytes()
    configs = [json.loads((run / "config.json").read_text()) for run in (pruned_once, other)]
    assert configs[0] == configs[1]
    assert (other / "options.yaml").read_bytes() == (pruned_once / "options.yaml").read_bytes()
    result = cli.done("prune", "--config", other / "options.yaml", "--run-dir", other, "--resume")
    assert "is finished" in result.stdout


def test_pretraining_keeps_its_options(pretrained):
    kept = yaml.safe_load((pretrained / "options.yaml").read_text())
    assert (kept["backbone"], kept["image-size"], kept["budgets"]) == ("toy", "16", "0.06:1")
    assert Path(kept["dataset"].removeprefix("npz:")).is_absolute()
