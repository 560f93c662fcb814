"""The programs for a GPU, on a CPU: train in pieces and assemble; by the marker `gpu` also go on, rows and timing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = Path(__file__).parents[2] / "benchmarks/gpu"

BACKBONE = '''
"""Two convolutions."""

import keras
from keras import layers


def speck(input_shape, num_classes, *, width=1.0):
    inputs = x = keras.Input(input_shape, name="image")
    for index, channels in enumerate((8, 16), start=1):
        x = layers.Conv2D(round(channels * width), 3, strides=2, padding="same", name=f"conv{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits", dtype="float32")(x), name="speck")
'''
START = """
import sys
import assemble, meta_step_time, target_rows, train_reference
data, out = sys.argv[1:]
common = ["--data", data, "--policy", "float32", "--batch-size", "32"]
net = ["--backbone", "speck", "--width", "1.0", "--budgets", "0.2", "1.0", "--save-every", "0"]
train_reference.main([*common, *net, "--epochs", "8", "--budget-epochs", "4", "--out", f"{out}/first"])
"""
TRAIN = (
    START
    + """
assemble.main([f"{out}/first", f"{out}/reference.npz"])
"""
)
ALL = (
    START
    + """
train_reference.main([*common, *net, "--from", f"{out}/first", "--budget-epochs", "2", "--out", f"{out}/second"])
assemble.main([f"{out}/second", f"{out}/reference.npz"])
rows = [*common, "--pieces", f"{out}/second", "--epochs", "4", "--budgets", "0.5", "--out", f"{out}/rows"]
target_rows.main([*rows, "--methods", "full"])
target_rows.main([*rows, "--methods", "full", "stamp", "random", "l1", "stamp-structure"])
meta_step_time.main(["--backbone", "speck", "--width", "1.0", "--batch-size", "4", "--tasks", "1", "--rounds", "1",
                     "--policy", "float32", "--out", out])
"""
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reference that was trained and assembled."""
    return run(tmp_path_factory.mktemp("gpu"), TRAIN)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every program ran to its end."""
    return run(tmp_path_factory.mktemp("gpu"), ALL)


def run(folder: Path, source: str) -> Path:
    """Run programs on gray images of four classes, in a process of their own under JAX."""
    site = folder / "site"
    metadata = site / "speck_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: speck-plugin\nVersion: 1.0\n")
    metadata.joinpath("entry_points.txt").write_text("[stamp_tf.backbones]\nspeck = speck_plugin:speck\n")
    site.joinpath("speck_plugin.py").write_text(BACKBONE)
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 40), ("test", 20)):
        labels = np.repeat(np.arange(4), count)
        level = (40 + 60 * labels)[:, None, None, None]
        images = (level + rng.normal(0, 12, (len(labels), 32, 32, 3))).clip(0, 255).astype(np.uint8)
        order = rng.permutation(len(labels))
        arrays |= {f"x_{part}": images[order], f"y_{part}": labels[order]}
    np.savez(folder / "gray.npz", **arrays)
    paths = [str(PROGRAMS), str(site), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", source, str(folder / "gray.npz"), str(folder / "out")]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr[-3000:]
    return folder / "out"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_reference_learns_on_the_device_and_says_how_accurate_it_is_at_budgets(trained: Path) -> None:
    final = lines(trained / "first/figures.jsonl")[-1]["test_accuracy"]
    assert final["1"] > 0.9
    assert final["0.5"] > 0.6
    stages = [line.get("stage") for line in lines(trained / "first/figures.jsonl")]
    assert stages == [None, *["plain"] * 8, *["budgets"] * 4, "final"]


@pytest.mark.gpu
def test_training_goes_on_from_pieces_at_budgets_alone(out: Path) -> None:
    stages = [line.get("stage") for line in lines(out / "second/figures.jsonl")]
    assert stages == [None, *["budgets"] * 2, "final"]
    assert lines(out / "second/figures.jsonl")[1]["accuracy"] > 0.9


@pytest.mark.gpu
def test_rows_that_stand_there_are_not_run_again(out: Path) -> None:
    rows = lines(out / "rows/rows.jsonl")
    assert [row["method"] for row in rows] == ["full", "stamp", "random", "l1", "stamp-structure"]
    assert rows[0]["flops"] == 1
    assert all(row["flops"] <= 0.5 for row in rows[1:])
    assert rows[1]["before"] > rows[4]["before"]  # trained weights, not fresh ones


@pytest.mark.slow
def test_what_was_trained_there_is_a_reference_here(trained: Path) -> None:
    from stamp_tf.storage.checkpoints import load_metadata, load_state

    description = load_metadata(trained / "reference.npz")["description"]
    assert description["test_accuracy"] == lines(trained / "first/figures.jsonl")[-1]["test_accuracy"]
    arrays, _ = load_state(trained / "reference.npz")
    assert arrays["scores"].shape == (24,)
    assert np.isfinite(arrays["scores"]).all()


@pytest.mark.gpu
def test_both_kinds_of_step_are_timed(out: Path) -> None:
    (row,) = lines(out / "meta_step.jsonl")
    assert set(row["images_per_second"]) == {"plain", "masked"}
    assert row["ratio"] > 0
