"""Tracing, removing channels, and what that is worth in speed: beside torch-pruning on the same networks.

    taskset -c 0 env TF_NUM_INTRAOP_THREADS=1 python benchmarks/peers.py --torch-python PATH

`--torch-python` is the Python of an environment that holds PyTorch and torch-pruning (`pip install torch
torch-pruning`); nothing here needs either. Without it only this library is measured. Both sides have the same
network with random weights: as many parameters and multiply-adds, which is checked. They take turns in one run, on
one thread each, in processes of their own; while one computes, the other waits. Half of the channels of every group
go, drawn at random. TensorFlow's steps are compiled, PyTorch's are eager, as their users have them by default.

Seconds are processor time of the process that works: on one thread that is the time on a quiet core, and neighbours
on the core do not count.
"""

import argparse
import dataclasses
import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from library.results import Results

FOLDER = Path(__file__).parent
NETWORKS = ("resnet50", "mobilenet_v2")
BATCH_SIZES = (1, 32)
KINDS = ("inference", "training")
MODELS = ("full", "pruned")
OURS, THEIRS = "stamp-tf", "torch-pruning"
SEED = 0
_NUM_WARM_UP = 2


class KerasSide:
    """One network of keras.applications, traced and pruned by this library."""

    def open(self, network: str, image_size: int, num_classes: int, seed: int) -> dict[str, Any]:
        """Build the network and say what it costs, and what share of it can be removed."""
        import keras

        from stamp_tf.channels import trace_channels

        keras.utils.set_random_seed(seed)
        self.shape, self.num_classes = (image_size, image_size, 3), num_classes
        build = {
            "resnet50": keras.applications.ResNet50,
            "mobilenet_v2": keras.applications.MobileNetV2,
        }[network]
        model = build(weights=None, input_shape=self.shape, classes=num_classes, classifier_activation=None)
        self.models = {"full": model}
        self.channel_map = trace_channels(model)
        self.steps: dict[tuple[str, str], Any] = {}
        return {
            **self._cost(model),
            "num_groups": len(self.channel_map.groups),
            "removable_share": removable_share(model, self.channel_map),
            "kept_whole": [dataclasses.astuple(kept) for kept in self.channel_map.kept_whole],
        }

    def trace(self) -> dict[str, Any]:
        """Time the tracing, groups included."""
        from stamp_tf.channels import trace_channels

        gc.collect()  # Else what other steps left behind is cleared away within this one.
        started = time.process_time()
        self.channel_map = trace_channels(self.models["full"])
        return {"seconds": time.process_time() - started}

    def remove(self, seed: int) -> dict[str, Any]:
        """Time the building of a network without half the channels of every group."""
        import numpy as np

        from stamp_tf.channels import slice_model

        rng = np.random.default_rng(seed)
        mask = np.ones(self.channel_map.num_channels, "float32")
        for group in self.channel_map.groups:
            mask[group.start + rng.permutation(group.size)[: group.size // 2]] = 0
        gc.collect()
        started = time.process_time()
        pruned = slice_model(self.models["full"], self.channel_map, mask)
        seconds = time.process_time() - started
        self.models["pruned"] = pruned
        return {"seconds": seconds, **self._cost(pruned)}

    def step(self, model: str, kind: str, batch_size: int) -> dict[str, Any]:
        """Time one inference or training step."""
        import numpy as np
        import tensorflow as tf

        if (model, kind) not in self.steps:
            make = inference_step if kind == "inference" else training_step
            self.steps[model, kind] = make(self.models[model])
        rng = np.random.default_rng(SEED)
        inputs = [tf.constant(rng.standard_normal((batch_size, *self.shape), dtype="float32"))]
        if kind == "training":
            inputs.append(tf.constant(rng.integers(self.num_classes, size=batch_size)))
        started = time.process_time()
        self.steps[model, kind](*inputs).numpy()
        return {"seconds": time.process_time() - started}

    @staticmethod
    def _cost(model: Any) -> dict[str, int]:
        from stamp_tf.channels import CostModel, trace_channels

        parameters, flops = CostModel(model, trace_channels(model)).full
        return {"parameters": int(parameters), "flops": int(flops)}


class TorchSide:
    """torch-pruning in a process of its own; answers what `KerasSide` answers."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(FOLDER / "torch_side.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, name: str) -> Any:
        def ask(**arguments: Any) -> dict[str, Any]:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise RuntimeError(f"The side of --torch-python ended at {name}; its error stands above.")
            return dict(json.loads(answer))

        return ask

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def inference_step(model: Any) -> Any:
    """Return a compiled `step(images)` to logits."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(images: Any) -> Any:
        return model(images, training=False)

    return step


def training_step(model: Any) -> Any:
    """Return a compiled `step(images, labels)` to the loss: forward, backward, SGD with momentum."""
    import keras
    import tensorflow as tf

    # A rate of zero costs what any rate costs, and random labels cannot drive the weights to infinity.
    optimizer = keras.optimizers.SGD(learning_rate=0.0, momentum=0.9)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return loss

    return step


def removable_share(model: Any, channel_map: Any) -> float:
    """Return the parameters within groups / all of convolutions and dense layers.

    A number stays only if neither the channel that it makes nor the one that it reads belongs to a group.
    """
    import numpy as np

    sizes = {
        weight.path: list(weight.shape)
        for layer in model._flatten_layers()
        if hasattr(layer, "kernel")
        for weight in layer.trainable_weights
    }
    total = sum(int(np.prod(shape)) for shape in sizes.values())
    for axis in channel_map.weight_axes:
        if axis.path in sizes:
            sizes[axis.path][axis.axis] = int((axis.channels < 0).sum())
    return 1 - sum(int(np.prod(shape)) for shape in sizes.values()) / total


def compare(
    sides: dict[str, Any], *, batch_sizes: Sequence[int], repeats: int, max_seconds: float
) -> dict[str, Any]:
    """Trace, remove and step on every side in turn; return medians and all times by side."""
    names = list(sides)
    found: dict[str, dict[str, Any]] = {name: {"trace": [], "remove": [], "steps": []} for name in names}
    for turn in range(repeats):
        for name in turned(names, turn):
            found[name]["trace"].append(sides[name].trace())
            found[name]["remove"].append(sides[name].remove(seed=SEED + turn))
    for kind in KINDS:
        for batch_size in batch_sizes:
            runners = [(name, model) for name in names for model in MODELS]
            seconds: dict[tuple[str, str], list[float]] = {runner: [] for runner in runners}
            started = time.perf_counter()
            for turn in range(-_NUM_WARM_UP, repeats):
                if turn == 0:
                    started = time.perf_counter()
                if turn >= 3 and time.perf_counter() - started > max_seconds:
                    break
                for name, model in turned(runners, turn):
                    took = sides[name].step(model=model, kind=kind, batch_size=batch_size)["seconds"]
                    if turn >= 0:
                        seconds[name, model].append(took)
            for name in names:
                medians = {model: median(seconds[name, model]) for model in MODELS}
                found[name]["steps"].append(
                    {
                        "kind": kind,
                        "batch_size": batch_size,
                        "seconds": medians,
                        "speed_up": medians["full"] / medians["pruned"],
                        "rounds": {model: seconds[name, model] for model in MODELS},
                    }
                )
    return found


def turned(entries: Sequence[Any], turn: int) -> list[Any]:
    """Return entries in an order that begins one later every turn."""
    first = turn % len(entries)
    return [*entries[first:], *entries[:first]]


def main(arguments: Sequence[str]) -> None:
    """Measure every network that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--torch-python", help="Python with PyTorch and torch-pruning")
    parser.add_argument("--networks", type=lambda text: tuple(text.split(",")), default=NETWORKS)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument(
        "--batch-sizes", type=lambda text: tuple(int(n) for n in text.split(",")), default=BATCH_SIZES
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--max-seconds", type=float, default=120.0, help="per kind and batch size")
    parser.add_argument("--results", type=Path, default=FOLDER / "results" / "peers.jsonl")
    options = parser.parse_args(arguments)
    if unknown := set(options.networks) - set(NETWORKS):
        parser.error(f"--networks must be of {', '.join(NETWORKS)}, but got {', '.join(sorted(unknown))}.")

    from stamp_tf.measure.speed import num_threads

    if num_threads() != 1:
        parser.error(f"it runs on one thread, but has {num_threads()}; set TF_NUM_INTRAOP_THREADS=1.")
    results = Results(options.results, program="peers", arguments=arguments)
    for network in options.networks:
        case = {"network": network, "image_size": options.image_size, "classes": options.classes}
        case |= {"batch_sizes": list(options.batch_sizes), "peer": THEIRS if options.torch_python else None}
        if results.figures(case) is not None:
            print(f"already measured: {case}")
            continue
        sides: dict[str, Any] = {OURS: KerasSide()}
        if options.torch_python:
            sides[THEIRS] = TorchSide(options.torch_python)
        figures = measure(sides, network, options)
        if options.torch_python:
            sides[THEIRS].close()
        results.add(case, figures, seed=SEED)
        for name in sides:
            steps = {
                f"{s['kind']} {s['batch_size']}": round(s["speed_up"], 2) for s in figures[name]["steps"]
            }
            print(network, name, {k: v for k, v in figures[name].items() if k != "steps"}, steps, flush=True)


def measure(sides: dict[str, Any], network: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one network by side.

    Raises:
        RuntimeError: If the sides' networks differ in parameters or multiply-adds.
    """
    opened = {
        name: side.open(
            network=network,
            image_size=options.image_size,
            num_classes=options.classes,
            seed=SEED,
        )
        for name, side in sides.items()
    }
    costs = {name: (answer["parameters"], answer["flops"]) for name, answer in opened.items()}
    if len(set(costs.values())) != 1:
        raise RuntimeError(f"Both sides must have the same network, but parameters and FLOPs are {costs}.")
    found = compare(
        sides, batch_sizes=options.batch_sizes, repeats=options.repeats, max_seconds=options.max_seconds
    )
    figures = {}
    for name, of in found.items():
        removed = of["remove"][-1]
        figures[name] = {
            **opened[name],
            "trace_seconds": median(answer["seconds"] for answer in of["trace"]),
            "remove_seconds": median(answer["seconds"] for answer in of["remove"]),
            **{
                key: median(answer[key] for answer in of["trace"])
                for key in ("seconds_of_graph", "seconds_of_copy")
                if key in of["trace"][0]
            },
            "parameters_left": removed["parameters"],
            "flops_left": removed["flops"],
            "steps": of["steps"],
        }
    return figures


if __name__ == "__main__":
    main(sys.argv[1:])
