"""The comparison with torch-pruning: its own side, the shares it counts, and the page."""

import importlib.util
import sys

import keras
import pytest

from library.results import Results, read_results
from stamp_tf.channels import trace_channels

SMALL = ("--networks", "mobilenet_v2", "--image-size", "32", "--classes", "10", "--batch-sizes", "2")


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setattr("stamp_tf.measure.speed.num_threads", lambda: 1)


def test_more_threads_are_refused(program, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("stamp_tf.measure.speed.num_threads", lambda: 8)
    with pytest.raises(SystemExit):
        program("peers").main(["--results", str(tmp_path / "peers.jsonl")])
    assert "runs on one thread, but has 8; set TF_NUM_INTRAOP_THREADS=1" in capsys.readouterr().err


@pytest.mark.slow
def test_this_side_alone(program, one_thread, tmp_path):
    path = tmp_path / "peers.jsonl"
    arguments = [*SMALL, "--repeats", "1", "--results", str(path)]
    program("peers").main(arguments)
    (record,) = read_results(path)
    program("peers").main(arguments)
    assert read_results(path) == [record]
    figures = record["figures"]["stamp-tf"]
    assert figures["parameters_left"] < 0.45 * figures["parameters"]
    assert [(step["kind"], step["batch_size"]) for step in figures["steps"]] == [
        ("inference", 2),
        ("training", 2),
    ]
    assert "| mobilenet_v2, 32 x 32 | stamp-tf | 25 |" in program("render").page(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("torch_pruning") is None, reason="torch-pruning is not installed"
)
def test_both_sides_prune_the_same_network(program, one_thread, tmp_path):
    path = tmp_path / "peers.jsonl"
    program("peers").main(
        [*SMALL, "--repeats", "1", "--torch-python", sys.executable, "--results", str(path)]
    )
    ours, theirs = read_results(path)[0]["figures"].values()
    for name in ("parameters", "flops", "num_groups", "removable_share", "parameters_left", "flops_left"):
        assert ours[name] == pytest.approx(theirs[name])


def test_only_what_no_channel_touches_cannot_be_removed(program):
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    # 18 + 2 of the kernel and its bias, 6 of the logits' kernel; the logits' 3 biases stay.
    share = program("peers").removable_share(model, trace_channels(model))
    assert share == pytest.approx(26 / 29)


def test_page_sets_both_sides_beside_each_other(program, tmp_path):
    steps = [{"kind": "training", "batch_size": 32, "seconds": {"full": 0.4, "pruned": 0.1}, "speed_up": 4.0}]
    ours = {"parameters": 100, "parameters_left": 30, "flops": 1000, "flops_left": 200, "num_groups": 3}
    ours |= {"removable_share": 0.99, "trace_seconds": 0.02, "remove_seconds": 0.5, "steps": steps}
    theirs = {**ours, "remove_seconds": 0.03, "seconds_of_copy": 0.01, "versions": {"torch": "2.0"}}
    results = Results(tmp_path / "peers.jsonl", program="peers", arguments=[])
    case = {"network": "net", "image_size": 96}
    results.add(case, {"stamp-tf": ours, "torch-pruning": theirs}, seed=0)
    page = program("render").page(tmp_path)
    assert "| net, 96 x 96 | stamp-tf | 3 | 99.00 | 20 | 500 | 30.0 | 20.0 |" in page
    assert "Beside it: torch 2.0." in page
    assert "| net, 96 x 96 | torch-pruning | 3 | 99.00 | 20 | 30 + 10 | 30.0 | 20.0 |" in page
    assert "| net, 96 x 96 | training, batch 32 | stamp-tf | 400.0 | 100.0 | 4.00 | 5.00 | 0.80 |" in page
