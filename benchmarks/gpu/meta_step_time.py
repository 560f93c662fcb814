"""Images per second of a masked first-order MAML task and of plain training steps on JAX.

    KERAS_BACKEND=jax python benchmarks/gpu/meta_step_time.py --backbone vgg19 --width 1.0 --out "$OUT"

Both train on the same five mini-batches; random images, because speed does not depend on pixels. They take turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jax
import keras
import numpy as np

from stamp_tf.channels import ChannelCut, CostModel, trace_channels
from stamp_tf.layers.make_layer import make_layer
from stamp_tf.layers.registered import MASK_GENERATOR, SET_ENCODER
from stamp_tf.meta.meta_step import compile_meta_step
from stamp_tf.meta.objective import StampObjective
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.training.reference_steps import compile_plain_step

NUM_BATCHES = 5
WAYS = 10


def variants(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Return functions that each train on all mini-batches once."""
    network = BackboneConfig(
        name=options.backbone, input_shape=(32, 32, 3), num_classes=WAYS, options={"width": options.width}
    )
    rng = np.random.default_rng(0)
    shape = (options.tasks, NUM_BATCHES, options.batch_size)
    images = jax.numpy.asarray(rng.standard_normal((*shape, *network.input_shape), dtype="float32"))
    labels = jax.numpy.asarray(rng.integers(WAYS, size=shape).astype("int32"))
    config = MetaTrainConfig()

    def masked() -> Callable[[], Any]:
        model = network.build()
        channel_map = trace_channels(model)
        encoder = make_layer(SET_ENCODER, "set-transformer", {}, shape=(None, *network.input_shape))
        generator = make_layer(
            MASK_GENERATOR,
            "score",
            {"group_sizes": list(channel_map.group_sizes)},
            shape=(1, channel_map.num_channels),
        )
        objective = StampObjective(
            model, generator, set_encoder=encoder, cut=ChannelCut(channel_map, CostModel(model, channel_map))
        )
        optimizers = [keras.optimizers.Adam(rate) for rate in config.outer_rates]
        for optimizer, part in zip(optimizers, objective.parts.split(objective.variables), strict=True):
            optimizer.build(part)
        step = compile_meta_step(
            objective, optimizers, inner_rates=objective.parts.spread(*config.inner_rates)
        )
        uniform = rng.uniform(size=(options.tasks, NUM_BATCHES, 2, channel_map.num_channels)).astype(
            "float32"
        )
        limits = np.array([[np.inf, 0.25]] * options.tasks, "float32")
        return lambda: float(step(images, labels, uniform, limits)["loss"])

    def plain() -> Callable[[], Any]:
        model = network.build()
        optimizer = keras.optimizers.Adam(config.outer_rates[0])
        optimizer.build(model.trainable_variables)
        step = compile_plain_step(model, optimizer)

        def run() -> float:
            for task in range(options.tasks):
                for index in range(NUM_BATCHES):
                    figures = step(images[task, index], labels[task, index])
            return float(figures["loss"])

        return run

    return {"plain": plain(), "masked": masked()}


def main(arguments: Sequence[str]) -> None:
    """Time both and write one line."""
    options = parse(arguments)
    keras.config.set_dtype_policy(options.policy)
    runs = variants(options)
    compile_seconds = {}
    for name, run in runs.items():
        began = time.perf_counter()
        run()
        compile_seconds[name] = time.perf_counter() - began
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    num_images = options.tasks * NUM_BATCHES * options.batch_size
    row = {
        "backbone": options.backbone,
        "width": options.width,
        "policy": options.policy,
        "tasks": options.tasks,
        "device": jax.devices()[0].device_kind,
        "first_call_seconds": compile_seconds,
        "images_per_second": {name: num_images / median(values) for name, values in seconds.items()},
        "ratio": median(a / b for a, b in zip(seconds["plain"], seconds["masked"], strict=True)),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / "meta_step.jsonl", "a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--policy", default="mixed_bfloat16")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
