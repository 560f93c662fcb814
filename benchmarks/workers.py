"""Images per second of two processes on two cores that train one network, against one process on one core.

    python benchmarks/workers.py
    python benchmarks/workers.py --batch-size 64 --rounds 5

Every process has a core and a thread of its own, and as many images of a step as the one has alone. In a round,
which is started anew, the same steps are timed by one process alone, by several that know nothing of each other, and by
several that average their gradients: what the second loses, memory costs, and the rest is the price of the averages.
Measure on a machine that does nothing else.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from library.results import Results

RESULTS = Path(__file__).parent / "results"
SEED = 0
WAYS = ("alone", "apart", "together")
STEPS = ("plain", "budgets")


def measure(options: argparse.Namespace) -> float:
    """Return the images per second of this process, in the steps that it was asked for."""
    from stamp_tf.workers import join_workers

    workers = join_workers()
    import keras
    import numpy as np
    import tensorflow as tf

    from stamp_tf.channels import ChannelCut, CostModel, trace_channels
    from stamp_tf.references.backbone_config import BackboneConfig
    from stamp_tf.training.reference_steps import (
        compile_budget_step,
        compile_plain_step,
        make_weight_optimizer,
    )

    keras.utils.set_random_seed(SEED)
    shape = (options.image_size, options.image_size, 3)
    network = BackboneConfig(
        name=options.backbone, input_shape=shape, num_classes=100, options={"width": options.width}
    )
    model = network.build()
    optimizer = make_weight_optimizer()
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng((SEED, workers.index))
    inputs = [
        tf.constant(rng.standard_normal((options.batch_size, *shape), dtype="float32")),
        tf.constant(rng.integers(100, size=options.batch_size).astype("int32")),
    ]
    if options.step == "budgets":
        channel_map = trace_channels(model)
        cut = ChannelCut(channel_map, CostModel(model, channel_map)).with_min_channels(2)
        scores = keras.Variable(rng.standard_normal(cut.num_channels), dtype="float32")
        score_optimizer = keras.optimizers.Adam(0.01)
        score_optimizer.build([scores])
        step = compile_budget_step(
            *(model, cut),
            scores=scores,
            optimizer=optimizer,
            score_optimizer=score_optimizer,
            workers=workers,
        )
        inputs += [
            tf.constant([np.inf, 0.3], "float32"),
            tf.constant(rng.uniform(size=cut.num_channels), "float32"),
        ]
    else:
        step = compile_plain_step(model, optimizer, workers=workers)
    for _ in range(2):
        float(step(*inputs)["loss"])
    workers.tell()  # Steps are timed from the same moment on.
    started = time.perf_counter()
    for _ in range(options.steps):
        float(step(*inputs)["loss"])
    seconds = time.perf_counter() - started
    workers.tell()
    return options.steps * options.batch_size / seconds


def run(arguments: Sequence[str], *, way: str, cores: Sequence[int]) -> list[float]:
    """Return the images per second of processes that measure at once, each on a core of its own.

    Args:
        arguments: Of this program.
        way: One of `WAYS`.
        cores: Which cores there are; one alone takes the first.
    """
    cores = cores[:1] if way == "alone" else cores
    addresses = [f"localhost:{port}" for port in free_ports(len(cores))]
    processes = []
    for index, core in enumerate(cores):
        environment = os.environ | {
            "CUDA_VISIBLE_DEVICES": "",
            "TF_NUM_INTRAOP_THREADS": "1",
            "TF_NUM_INTEROP_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("TF_CONFIG", None)
        if way == "together":
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, __file__, *arguments, "--on-core", str(core)]
        processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    rates = []
    try:
        for process in processes:
            output, errors = process.communicate(timeout=3600)
            if process.returncode:
                raise RuntimeError(
                    f"A process of {way} ended with code {process.returncode}: {errors[-2000:]}"
                )
            rates.append(float(output.splitlines()[-1]))
    finally:
        for process in processes:
            process.kill()
    return rates


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main(arguments: Sequence[str]) -> None:
    """Measure every kind of step that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128, help="images per step and process")
    parser.add_argument("--steps", type=int, default=60, help="steps that are timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--step", choices=STEPS, help="this kind alone")
    parser.add_argument("--results", type=Path, default=RESULTS / "workers.jsonl")
    parser.add_argument("--on-core", type=int, help=argparse.SUPPRESS)  # measure here, and print
    options = parser.parse_args(arguments)
    if options.on_core is not None:
        os.sched_setaffinity(0, {options.on_core})
        print(measure(options))
        return
    cores = sorted(os.sched_getaffinity(0))[: options.workers]
    if len(cores) < options.workers:
        parser.error(
            f"--workers must be at most the number of cores, {len(cores)}, but is {options.workers}."
        )
    results = Results(options.results, program="workers", arguments=arguments)
    names = ("backbone", "width", "image_size", "batch_size", "steps", "rounds", "workers")
    for step in STEPS if options.step is None else (options.step,):
        case: dict[str, Any] = {"step": step} | {name: getattr(options, name) for name in names}
        if results.figures(case) is not None:
            print(f"already measured: {case}")
            continue
        rates: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(options.rounds):
            for way in WAYS[turn % 3 :] + WAYS[: turn % 3]:
                rates[way].append(sum(run([*arguments, "--step", step], way=way, cores=cores)))
                print(f"{step}, {way}: {rates[way][-1]:.1f} images/s", flush=True)
        figures: dict[str, Any] = {"images_per_second": rates}
        for way in WAYS[1:]:
            # Within a round both met the same machine.
            rounds = zip(rates[way], rates["alone"], strict=True)
            figures[f"efficiency_{way}"] = median(many / (one * options.workers) for many, one in rounds)
        results.add(case, figures, seed=SEED)
        print(case, {name: value for name, value in figures.items() if name != "images_per_second"})


if __name__ == "__main__":
    main(sys.argv[1:])
