"""One of several processes that train together, or one alone: `python train_by_workers.py FOLDER TASK ...`.

A worker that is to be killed gets `--kill STEP`.
"""

import argparse
import os
import signal
from pathlib import Path
from typing import Any

import keras
from keras.src.backend.common import dtypes

from stamp_cli.errors import edge
from stamp_tf.meta.meta_train import meta_train
from stamp_tf.training.pretrain import pretrain

OPTIONS: dict[str, Any] = {"budgets": (0.4, 1.0), "weight_decay": 1e-3}
META: dict[str, Any] = {"set_encoder": "deep-sets", "outer_steps": 2, "tasks": 4, "ways": 3, "shots": 4}


def take(task: str, folder: Path, *, kill: int | None = None, resume: bool = False) -> None:
    """Train in `FOLDER/TASK`, in double precision."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    # Keras 3.15 normalises in single precision on JAX even then.
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    data, run = f"npz:{folder / 'toy.npz'}", folder / task

    def on_step(done: int, total: int, figures: object) -> None:
        if done == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    more: dict[str, Any] = {"resume": resume, "on_step": on_step}
    if task.startswith("bare"):  # a network without batch normalisation
        start = folder / "start"
        options = OPTIONS | {"epochs": 1, "budget_epochs": int("jax" not in task), "batch_size": 16}
        pretrain(data, run, backbone="bare", start=start, **options, **more)
    elif task.startswith("small"):
        # An epoch is a step.
        options = OPTIONS | {"epochs": 1, "budget_epochs": 0 if "plain" in task else 2, "batch_size": 52}
        pretrain(data, run, backbone="small", **options, **more)
    else:
        meta_train(data, folder / "reference", run, inner_batches=2, **META, **more)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--kill", type=int)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    with edge():
        for one in arguments.tasks:
            take(one, arguments.folder, kill=arguments.kill, resume=arguments.resume)
