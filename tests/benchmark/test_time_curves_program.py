"""The program of accuracy over time at toy scale: what it records, and that a killed one goes on."""

import numpy as np
import pytest

from library.curve_tables import time_curve_tables
from library.results import read_results

METHODS = ["full", "stamp", "static", "l1", "random"]


@pytest.fixture
def arguments(toy_reference, tmp_path):
    """Arguments of the program on 270 random images: two steps an epoch."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3, dtype=np.int32), 90)
    images = rng.integers(256, size=(270, 32, 32, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    given = ["--cifar10", f"npz:{tmp_path / 'images.npz'}", "--backbone", "toy", "--from", str(toy_reference)]
    return [*given, "--max-flops", "0.5", "--epochs", "2", "--pieces", "2"]


@pytest.fixture
def last_arrays(monkeypatch):
    """States as they are saved, by step; raise KeyboardInterrupt behind the step in `stop`."""
    from stamp_tf.storage import checkpoints

    seen = {}
    save = checkpoints.save_step

    def save_and_remember(folder, step, *, arrays, metadata):
        save(folder, step, arrays=arrays, metadata=metadata)
        seen[step] = {name: np.array(value) for name, value in arrays.items()}
        if step == seen.get("stop"):
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save_step", save_and_remember)
    return seen


def test_program(program, arguments, tmp_path):
    path = tmp_path / "results" / "time_curves.jsonl"
    module = program("time_curves")
    module.main([*arguments, "--results", str(path)])
    records = read_results(path)
    assert [record["case"]["method"] for record in records] == METHODS
    curves = {record["case"]["method"]: record["figures"] for record in records}
    for figures in curves.values():
        assert [point["epoch"] for point in figures["points"]] == [0, 0.5, 1, 1.5, 2]
        seconds = [point["seconds"] for point in figures["points"]]
        assert seconds[0] == sum(figures["seconds"].values())
        assert seconds[-1] > seconds[0] + figures["step_seconds"]
    assert set(curves["stamp"]["seconds"]) == {"propose", "slice", "statistics", "head"}
    assert set(curves["full"]["seconds"]) == {"statistics", "head"}
    assert curves["full"]["flops_fraction"] == 1.0
    assert all(curves[method]["flops_fraction"] <= 0.5 for method in METHODS[1:])
    assert not path.with_suffix(".state").exists()
    assert str(tmp_path) not in path.read_text()
    assert "STAMP (K = 0)" in time_curve_tables(records)
    module.main([*arguments, "--results", str(path)])
    assert read_results(path) == records


def test_pruned_networks_may_have_more_epochs(program, arguments, tmp_path):
    path = tmp_path / "time_curves.jsonl"
    arguments += ["--methods", "full,stamp", "--results", str(path)]
    program("time_curves").main([*arguments, "--pruned-epochs", "4"])
    full, stamp = read_results(path)
    assert [point["epoch"] for point in full["figures"]["points"]] == [0, 0.5, 1, 1.5, 2]
    assert stamp["figures"]["points"][-1]["epoch"] == 4
    table = time_curve_tables([full, stamp])
    assert "270 images, 2 and 4 epochs, rate 0.2, FLOPs" in table
    assert table.count("###") == 1
    with pytest.raises(SystemExit):
        program("time_curves").main([*arguments, "--pruned-epochs", "3"])


def test_without_a_generator_stamp_is_the_learnt_order(program, arguments, tmp_path):
    path = tmp_path / "time_curves.jsonl"
    program("time_curves").main([*arguments, "--methods", "stamp,static", "--results", str(path)])
    stamp, static = (
        [(point["epoch"], point["accuracy"]) for point in record["figures"]["points"]]
        for record in read_results(path)
    )
    assert stamp == static


def test_a_killed_program_goes_on_to_the_same_network(program, arguments, tmp_path, last_arrays):
    module = program("time_curves")
    arguments += ["--methods", "full,stamp,l1"]
    module.main([*arguments, "--results", str(tmp_path / "whole.jsonl")])
    whole = last_arrays[4]
    # In the middle of the second epoch, whose first batch must not come again.
    last_arrays.clear()
    last_arrays["stop"] = 3
    killed = [*arguments, "--results", str(tmp_path / "killed.jsonl")]
    with pytest.raises(KeyboardInterrupt):
        module.main(killed)
    assert read_results(tmp_path / "killed.jsonl") == []
    last_arrays.clear()
    module.main(killed)
    assert list(last_arrays) == [4]
    assert whole.keys() == last_arrays[4].keys()
    for name, value in whole.items():
        np.testing.assert_allclose(last_arrays[4][name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    points = [
        [
            [(point["epoch"], point["accuracy"]) for point in record["figures"]["points"]]
            for record in read_results(tmp_path / f"{name}.jsonl")
        ]
        for name in ("whole", "killed")
    ]
    assert points[0] == points[1]
    assert not (tmp_path / "killed.state").exists()


def test_compiling_leaves_the_network_as_pruning_left_it(arguments, tmp_path):
    from library.curve import prepared
    from stamp_tf.data import load_dataset
    from stamp_tf.references.reference_file import load_reference

    reference, dataset = load_reference(tmp_path / "toy" / "reference.npz"), load_dataset(arguments[1])
    case = {"method": "stamp", "max_flops": 0.5, "epochs": 1, "pieces": 1, "seed": 0}
    curve = prepared(case, reference, dataset)
    before = {name: np.array(value) for name, value in curve.arrays().items()}
    curve.compile_step()
    assert curve.figures["compile_seconds"] > 0
    for name, value in curve.arrays().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_a_state_of_other_settings_is_refused(program, arguments, tmp_path, last_arrays, capsys):
    last_arrays["stop"] = 1
    arguments += ["--methods", "full,l1", "--results", str(tmp_path / "time_curves.jsonl")]
    with pytest.raises(KeyboardInterrupt):
        program("time_curves").main(arguments)
    with pytest.raises(SystemExit):
        program("time_curves").main([*arguments, "--epochs", "3"])
    assert "--state must be of the same run" in capsys.readouterr().err


def test_too_many_pieces_are_refused(program, arguments, tmp_path, capsys):
    with pytest.raises(SystemExit):
        program("time_curves").main([*arguments, "--pieces", "3", "--results", str(tmp_path / "t.jsonl")])
    assert "--pieces must be at most the 2 steps of an epoch, but is 3." in capsys.readouterr().err
