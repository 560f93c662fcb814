"""The core on JAX: the numbers of TensorFlow, and no need of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("core_numbers.py")
Numbers = dict[str, np.ndarray]

WITHOUT_TENSORFLOW = """
import sys

for name in ("tensorflow", "tensorflow_datasets"):
    sys.modules[name] = None  # importing it now fails

import json
import numpy as np
import stamp_tf
from stamp_tf.options.finetune import FinetuneConfig

rng = np.random.default_rng(0)
labels = np.tile(np.arange(4), 16)
images = rng.normal(40 + 50 * labels[:, None, None, None], 20, (64, 32, 32, 3)).clip(0, 255).astype("uint8")
np.savez("greys.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
reference = stamp_tf.pretrain(
    "npz:greys.npz", "reference", backbone="tiny", backbone_options={"width": 2}, epochs=3,
    budget_epochs=2, batch_size=16,
)
meta = stamp_tf.meta_train(
    "npz:greys.npz", reference, "meta", set_encoder="deep-sets", outer_steps=2, tasks=2, ways=3, shots=4,
    inner_batches=1,
)
result = stamp_tf.prune(
    "npz:greys.npz", meta, max_flops=0.6, options={"epochs_prune": 1}, finetune=FinetuneConfig(epochs=1)
)
first, last = (np.asarray(network.model.get_layer("conv1").kernel) for network in (reference, meta))
print(
    json.dumps(
        {
            "losses": [json.loads(line)["loss"] for line in open("reference/metrics.jsonl") if "epoch" in line],
            "meta_trained": float(np.abs(last - first).max()),
            "flops": result.flops_fraction,
            "pruned": result.test_accuracy,
        }
    )
)
"""


def run(*arguments: str, backend: str, cwd: Path | None = None, **variables: str) -> str:
    """Run Python on a backend and return what it printed."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes longer than running
        "PYTHONPATH": os.pathsep.join(sys.path),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Numbers, Numbers]:
    """What the program computes on TensorFlow and on JAX, from the same weights."""
    folder = tmp_path_factory.mktemp("numbers")
    found = []
    for backend in ("tensorflow", "jax"):
        path = folder / f"{backend}.npz"
        run(str(PROGRAM), str(folder / "weights.npz"), str(path), backend=backend, JAX_ENABLE_X64="1")
        found.append(dict(np.load(path)))
    return found[0], found[1]


@pytest.mark.parametrize(
    ("part", "tolerance"),
    [
        ("set_encodings/budgets", 1e-9),
        ("set_encodings/kl", 1e-9),
        ("set_encodings/statistician", 1e-9),
        ("set_encodings/transformer", 1e-9),
        # TensorFlow resizes images in single precision.
        ("set_encodings/coarse", 1e-6),
        ("masks", 1e-9),
        ("inner_loops", 1e-9),
        ("outer_steps", 1e-9),
        ("pretraining_steps", 1e-9),
    ],
)
def test_jax_computes_what_tensorflow_computes(
    part: str, tolerance: float, numbers: tuple[Numbers, Numbers]
) -> None:
    names = [name for name in numbers[0] if name.startswith(part)]
    assert names
    for name in names:
        expected, found = (np.asarray(values[name]) for values in numbers)
        assert np.isfinite(found).all()
        # An accuracy is a mean in single precision in any case.
        bound = tolerance if expected.dtype == np.float64 else 1e-6
        assert np.abs(found - expected).max() <= bound * max(np.abs(expected).max(), 1e-9), name


def test_the_compared_numbers_are_not_all_zero(numbers: tuple[Numbers, Numbers]) -> None:
    zero = {name for name, value in numbers[0].items() if not np.abs(value).max() > 0}
    # Scores alone have no prior.
    assert zero == {"masks/budgets/2"}


@pytest.mark.usefixtures("backbones")
def test_a_reference_is_made_and_pruned_without_tensorflow(tmp_path: Path) -> None:
    figures = json.loads(run("-c", WITHOUT_TENSORFLOW, backend="jax", cwd=tmp_path))
    assert figures["losses"][2] < 0.9 * figures["losses"][0]
    assert 0 < figures["meta_trained"] < 0.1
    assert 0.2 < figures["flops"] <= 0.6
    assert figures["pruned"] > 0.5
