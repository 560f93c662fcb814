"""Without TensorFlow: one line for what needs it, and what does not need it works."""

import json
import os
import subprocess
import sys

import keras
import pytest

BLOCKED = """
import sys
for name in ("tensorflow", "tensorflow_datasets"):
    sys.modules[name] = None  # importing it now fails, as if it were not installed
"""
COMMAND_LINE = """
import json
from click.testing import CliRunner
from stamp_cli.main import stamp_tf

def outcome(line):
    result = CliRunner().invoke(stamp_tf, line.split())
    return [result.exit_code, result.stdout, result.stderr]

print(json.dumps({line: outcome(line) for line in LINES}))
"""
FROM_PYTHON = """
import json
import keras
import numpy as np
import stamp_tf

def outcome(name, *arguments):
    try:
        return type(getattr(stamp_tf, name)(*arguments)).__name__
    except Exception as error:
        return f"{type(error).__name__}: {error}"

model = keras.Sequential(
    [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv"), keras.layers.Flatten(), keras.layers.Dense(2)]
)
calls = {
    "export_run": (None, "run"), "measure_latency": (model,), "load_dataset": ("cifar10",),
    "trace_channels": (model,), "inspect": (model,), "remove_channels": (model, {"conv": [1, 0, 1, 1]}),
}
print(json.dumps({name: outcome(name, *arguments) for name, arguments in calls.items()}))
"""


def run(program: str, **environment: str) -> dict:
    """Run a program in which TensorFlow cannot be imported, and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cpu", **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> dict:
    lines = (
        "plugins",
        "plugins --json",
        "prune --dataset digits",
        "prune --dataset digits --model model.keras",
        "pretrain --dataset digits --run-dir {folder}/run",
        "meta-train --dataset digits --run-dir {folder}/run",
        "inspect --backbone vgg19",
        "--help",
        "--version",
        "prune --help",
        "finetune {folder}",
    )
    folder = tmp_path_factory.mktemp("network")
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]).save(
        folder / "model.keras"
    )
    filled = [line.format(folder=folder) for line in lines]
    found = run(f"LINES = {filled!r}\nimport os\nos.chdir({str(folder)!r})\n" + COMMAND_LINE)
    assert [path.name for path in folder.iterdir()] == ["model.keras"]
    return dict(zip(lines, found.values(), strict=True))


@pytest.mark.parametrize(
    "line",
    [
        "plugins",
        "plugins --json",
        "prune --dataset digits",
        "prune --dataset digits --model model.keras",
        "pretrain --dataset digits --run-dir {folder}/run",
        "meta-train --dataset digits --run-dir {folder}/run",
        "inspect --backbone vgg19",
    ],
)
def test_command_says_in_one_line_what_is_missing(commands, line):
    code, output, errors = commands[line]
    assert (code, output, errors.count("\n")) == (2, "", 1), errors
    assert (
        "The command line needs TensorFlow, which is not installed; install it with pip install tensorflow"
        in errors
    )


@pytest.mark.parametrize("line", ["--help", "--version", "prune --help"])
def test_help_needs_nothing(commands, line):
    assert commands[line][0] == 0


def test_wrong_input_is_refused_as_ever(commands):
    assert "must be a run directory" in commands["finetune {folder}"][2]


@pytest.mark.slow
def test_functions_that_need_it_say_so_and_the_others_work():
    outcomes = run(FROM_PYTHON, KERAS_BACKEND="jax")
    assert outcomes["trace_channels"] == "ChannelMap"
    assert outcomes["inspect"] == "Inspection"
    assert outcomes["remove_channels"] in ("Sequential", "Functional")
    for name in ("export_run", "measure_latency"):
        assert outcomes[name] == (
            f"StampError: stamp_tf.{name} needs TensorFlow, which is not installed; install it with pip install "
            "tensorflow."
        )
    assert outcomes["load_dataset"].startswith(
        "StampError: dataset cifar10 must be digits, folder:PATH or npz:PATH"
    )


def test_backend_that_was_not_chosen_is_named_as_a_remedy():
    program = """
import json
import stamp_tf
try:
    stamp_tf.prune
except stamp_tf.StampError as error:
    print(json.dumps({"message": str(error)}))
"""
    message = run(program, KERAS_BACKEND="tensorflow")["message"]
    assert message.endswith("install it with pip install tensorflow, or set KERAS_BACKEND=jax.")
