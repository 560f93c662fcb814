"""Seconds of a training step, of one with batch normalisation as Keras computes it, and of one at budgets.

    taskset -c 0 env TF_NUM_INTRAOP_THREADS=1 python benchmarks/training_step.py

A step at budgets trains the full network and a masked one on the same images, so that it does the work of two plain
steps. All are compiled and warm, and take turns. Speed does not depend on pixels: images are random.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from meta_step import take_turns

from library.results import Results

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("resnet18:0.25", "resnet18:0.5", "vgg19:0.25", "vgg19:0.5")
PRECISIONS = ("float32", "bfloat16")
IMAGE_SHAPE = (32, 32, 3)
NUM_CLASSES = 100
MAX_FLOPS = 0.25
SEED = 0


def main(arguments: Sequence[str]) -> None:
    """Measure every network and precision that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", type=lambda text: tuple(text.split(",")), default=NETWORKS)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--alternations", type=int, default=12)
    parser.add_argument("--results", type=Path, default=RESULTS / "training_step.jsonl")
    options = parser.parse_args(arguments)
    results = Results(options.results, program="training_step", arguments=arguments)
    for network in options.networks:
        for precision in PRECISIONS:
            case = {"network": network, "precision": precision, "batch_size": options.batch_size}
            case["alternations"] = options.alternations
            if results.figures(case) is None:
                results.add(case, measure(network, precision, options), seed=SEED)
                print(case, results.figures(case), flush=True)


def measure(network: str, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the median seconds of each step and ratios of steps, medians over rounds.

    Args:
        network: A backbone and its width.
        precision: What the network computes in.
        options: Of the command line.
    """
    seconds = take_turns(steps_of(network, precision, options.batch_size), alternations=options.alternations)

    def ratio(above: str, below: str) -> float:
        return median(one / other for one, other in zip(seconds[above], seconds[below], strict=True))

    figures: dict[str, Any] = {f"{name}_seconds": median(values) for name, values in seconds.items()}
    return figures | {"speed_up": ratio("keras", "plain"), "pair": 2 * ratio("plain", "budget")}


def steps_of(network: str, precision: str, batch_size: int) -> dict[str, Callable[[], Any]]:
    """Build functions that each take a step and wait for the device: `plain`, `keras` and `budget`.

    Args:
        network: A backbone and its width.
        precision: What the network computes in.
        batch_size: Images a step.
    """
    import keras
    import numpy as np

    from stamp_tf.channels import ChannelCut, CostModel, trace_channels
    from stamp_tf.references.backbone_config import BackboneConfig
    from stamp_tf.training.half_precision import in_bfloat16
    from stamp_tf.training.reference_steps import (
        compile_budget_step,
        compile_plain_step,
        make_weight_optimizer,
    )

    keras.utils.set_random_seed(SEED)
    name, width = network.split(":")
    backbone = BackboneConfig(
        name=name, input_shape=IMAGE_SHAPE, num_classes=NUM_CLASSES, options={"width": float(width)}
    )
    full = backbone.build()
    channel_map = trace_channels(full)
    cut = ChannelCut(channel_map, CostModel(full, channel_map))
    scores = keras.Variable(np.zeros(channel_map.num_channels, "float32"))
    rng = np.random.default_rng(SEED)
    images = rng.standard_normal((batch_size, *IMAGE_SHAPE), dtype="float32")
    labels = rng.integers(NUM_CLASSES, size=batch_size).astype("int32")
    limits = np.array([np.inf, MAX_FLOPS], "float32")
    uniform = rng.uniform(size=channel_map.num_channels).astype("float32")

    def built(model: Any) -> tuple[Any, keras.optimizers.Optimizer]:
        model = in_bfloat16(model) if precision == "bfloat16" else keras.models.clone_model(model)
        optimizer = make_weight_optimizer()
        optimizer.build(model.trainable_variables)
        return model, optimizer

    plain, usual = (compile_plain_step(*built(model)) for model in (full, as_keras_computes(full)))
    model, optimizer = built(full)
    of_scores = keras.optimizers.SGD(0.1)
    of_scores.build([scores])
    budget = compile_budget_step(model, cut, scores=scores, optimizer=optimizer, score_optimizer=of_scores)
    return {
        "plain": lambda: float(plain(images, labels)["loss"]),
        "keras": lambda: float(usual(images, labels)["loss"]),
        "budget": lambda: float(budget(images, labels, limits, uniform)["loss"]),
    }


def as_keras_computes(model: Any) -> Any:
    """Return a twin whose batch normalisations are of a class of their own, so that they compute as that says."""
    import keras

    class Usual(keras.layers.BatchNormalization):
        """Keras's layer."""

    def same(layer: Any) -> Any:
        kind = Usual if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=same)


if __name__ == "__main__":
    main(sys.argv[1:])
