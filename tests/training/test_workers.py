"""Two processes train what one trains, end in a line when one of them is killed, and go on where they were."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.backend import value_and_gradient
from stamp_tf.data import Batches, Normalization, load_dataset
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.schedules import cosine_rate
from stamp_tf.training.budget_loss import plain_loss
from stamp_tf.training.pretrain import pretrain
from stamp_tf.training.reference_steps import make_weight_optimizer

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("train_by_workers.py")
BARE = """

def bare(input_shape, num_classes):
    inputs = keras.Input(input_shape, name="image")
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="conv1")(inputs)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="bare")
"""
Ended = tuple[int, str]
State = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def site(toy_package: Callable[..., Path]) -> Path:
    return toy_package("shared-backbones", {"bare": "bare", "small": "small"}, source=BARE)


@pytest.fixture(scope="module")
def folder(site: Path, tmp_path_factory: pytest.TempPathFactory, on_path: Any) -> Path:
    """A data set, and two references to begin with."""
    folder = tmp_path_factory.mktemp("workers")
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 18)
    images = rng.normal(50 + 50 * labels[:, None, None, None], 15, (len(labels), 32, 32, 3))
    images = images.clip(0, 255).astype("uint8")
    data = {"x_train": images[20:], "y_train": labels[20:], "x_test": images[:20], "y_test": labels[:20]}
    np.savez(folder / "toy.npz", **data)
    with on_path(site):
        for run, backbone in (("start", "bare"), ("reference", "small")):
            options = {"backbone": backbone, "epochs": 1, "budget_epochs": 1, "batch_size": 26}
            pretrain(f"npz:{folder / 'toy.npz'}", folder / run, **options)
    return folder


@pytest.fixture(scope="module")
def start(folder: Path, site: Path) -> Callable[..., list[Ended]]:
    """Start workers, each with arguments of its own; returns their exit codes and what they said."""

    def start(*workers: tuple[str, ...], **variables: str) -> list[Ended]:
        addresses = [f"localhost:{port}" for port in free_ports(len(workers))]
        processes = []
        for index, arguments in enumerate(workers):
            description = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
            environment |= {"TF_CONFIG": json.dumps(description), "TMPDIR": str(folder), **variables}
            command = [sys.executable, str(PROGRAM), str(folder), *arguments]
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes.append(subprocess.Popen(command, env=environment, **pipes))
        try:
            said = [process.communicate(timeout=240)[1] for process in processes]
        finally:
            for process in processes:
                process.kill()
        return [(process.returncode, words) for process, words in zip(processes, said, strict=True)]

    return start


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def state(run: Path, step: int) -> State:
    with np.load(run / f"checkpoints/step-{step:08d}.npz") as file:
        return {name: file[name] for name in file.files if name != "metadata"}


def figures(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines = [line.get("final", line) for line in lines]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def assert_near(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.fixture(scope="module")
def together(start: Callable[..., list[Ended]], folder: Path) -> Path:
    """What two processes trained: a network without batch normalisation, one with it, and masks for its tasks."""
    tasks = ("bare", "small", "small-plain", "meta")
    assert [code for code, _ in start(tasks, tasks)] == [0, 0]
    return folder


@pytest.fixture
def alone(
    together: Path, site: Path, on_path: Any, float64: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Train in this process."""
    monkeypatch.syspath_prepend(PROGRAM.parent)
    from train_by_workers import take

    with on_path(site):
        yield lambda task: take(task, together)


def test_two_processes_pretrain_what_one_does(together: Path, alone: Callable[[str], None]) -> None:
    alone("bare-alone")
    for epoch in (1, 2):
        assert_near(state(together / "bare", epoch), state(together / "bare-alone", epoch))
    for ours, theirs in zip(figures(together / "bare"), figures(together / "bare-alone"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_two_processes_meta_train_what_one_does(together: Path, alone: Callable[[str], None]) -> None:
    alone("meta-alone")
    assert_near(state(together / "meta", 2), state(together / "meta-alone", 2))
    for ours, theirs in zip(figures(together / "meta"), figures(together / "meta-alone"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_batch_normalisation_goes_by_each_share_and_its_statistics_are_averaged(
    together: Path, alone: Callable[[str], None]
) -> None:
    train = load_dataset(f"npz:{together / 'toy.npz'}").train
    normalization = Normalization.of(train)
    keras.utils.set_random_seed(0)
    config = BackboneConfig(name="small", input_shape=(32, 32, 3), num_classes=4, options={})
    model = config.build()
    weights, statistics = model.trainable_variables, model.non_trainable_variables
    optimizer = make_weight_optimizer(weight_decay=1e-3)
    optimizer.build(weights)
    images, labels = next(Batches(train, 52, normalization=normalization, seed=0, augment=True).epoch(0))
    found = []
    for part in (slice(0, None, 2), slice(1, None, 2)):

        def loss(values: list[Any], part: slice = part) -> Any:
            moving = [one.value for one in statistics]
            return plain_loss(model, values, moving, images=images[part], labels=labels[part])

        (_, (moved, _)), gradients = value_and_gradient(loss, [one.value for one in weights])
        found.append((gradients, moved))
    (gradients, moved), (other_gradients, other_moved) = found
    optimizer.learning_rate = cosine_rate(0, 1, peak=0.1, num_warmup_steps=0)
    optimizer.apply(
        [(one + other) / 2 for one, other in zip(gradients, other_gradients, strict=True)], weights
    )
    for variable, one, other in zip(statistics, moved, other_moved, strict=True):
        variable.assign((one + other) / 2)
    trained = state(together / "small-plain", 1)
    ours = {f"model/{one.path}": np.asarray(one) for one in model.variables}
    assert_near(ours, {name: trained[name] for name in ours})


def test_a_killed_worker_ends_the_others_and_all_resume_bit_for_bit(
    together: Path, start: Callable[..., list[Ended]]
) -> None:
    began = time.monotonic()
    (code, words), (killed, _) = start(("small-killed",), ("small-killed", "--kill", "2"))
    assert time.monotonic() - began < 120
    assert (code, killed) == (2, -signal.SIGKILL)
    # What TensorFlow's own transport writes behind our back depends on its log level.
    errors = [line for line in words.splitlines() if "Error" in line and "grpc_status" not in line]
    assert len(errors) == 1
    assert errors[0].startswith("Error: All 2 workers must stay to the end, but another one ended")
    assert "Traceback" not in words
    assert not (together / "small-killed/reference.npz").exists()
    resume = ("small-killed", "--resume")
    assert [code for code, _ in start(resume, resume)] == [0, 0]
    for name in ("checkpoints/step-00000003.npz", "reference.npz"):
        with (
            np.load(together / "small" / name) as whole,
            np.load(together / "small-killed" / name) as resumed,
        ):
            for one in whole.files:
                np.testing.assert_array_equal(whole[one], resumed[one], err_msg=one)


def test_jax_trains_in_two_processes_what_it_trains_in_one(
    folder: Path, start: Callable[..., list[Ended]]
) -> None:
    jax = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    jax["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # compiling takes longer than running
    assert [code for code, _ in start(("bare-jax",), ("bare-jax",), **jax)] == [0, 0]
    assert [code for code, _ in start(("bare-jax-alone",), **jax)] == [0]
    assert_near(state(folder / "bare-jax", 1), state(folder / "bare-jax-alone", 1))
