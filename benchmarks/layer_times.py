"""Where the time of an inference step goes, by kind of layer, in full networks and in smaller ones.

    taskset -c 0 env TF_NUM_INTRAOP_THREADS=1 python benchmarks/layer_times.py

Every call of every layer is compiled and timed on its own, at the shape it has in the network, and the medians are
added up by kind. The smaller networks are those of removal_speed.py at a quarter of the FLOPs.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from removal_speed import SEED, build

from library.results import Results

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("resnet50", "mobilenet_v2", "resnet18")


def main(arguments: Sequence[str]) -> None:
    """Measure every network that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", type=lambda text: tuple(text.split(",")), default=NETWORKS)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-flops", type=float, default=0.25)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS / "layer_times.jsonl")
    options = parser.parse_args(arguments)
    results = Results(options.results, program="layer_times", arguments=arguments)
    for network in options.networks:
        case = {
            "network": network,
            "image_size": 32 if network in ("vgg19", "resnet18") else options.image_size,
            "batch_size": options.batch_size,
            "max_flops": options.max_flops,
            "repeats": options.repeats,
        }
        if results.figures(case) is None:
            results.add(case, measure(build(network, options.image_size, 10), options), seed=SEED)
            print(network, results.figures(case), flush=True)


def measure(model: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Return seconds by kind of the full network and of the smaller one, and how much less there is of each cost."""
    import numpy as np

    from stamp_tf.baselines.uniform import uniform_scores
    from stamp_tf.channels import Budget, ChannelCut, CostModel, slice_model, trace_channels

    channel_map = trace_channels(model)
    cost = CostModel(model, channel_map)
    scores = uniform_scores(channel_map, np.random.default_rng(SEED).uniform(size=channel_map.num_channels))
    mask = ChannelCut(channel_map, cost).meet(scores, Budget(max_flops=options.max_flops))
    everything = np.ones(channel_map.num_channels)
    return {
        "flops_speed_up": float(1 / cost.exact_fractions(mask)[1]),
        "memory_speed_up": cost.activation_bytes(everything) / cost.activation_bytes(mask),
        "full": seconds_by_kind(model, options),
        "smaller": seconds_by_kind(slice_model(model, channel_map, mask), options),
    }


def seconds_by_kind(model: Any, options: argparse.Namespace) -> dict[str, float]:
    """Time the calls of a network's layers one by one, and add them up by kind."""
    import tensorflow as tf

    seconds: dict[str, float] = defaultdict(float)
    for layer in model.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        batch = [tf.random.normal((options.batch_size, *tensor.shape[1:])) for tensor in inputs]
        step = tf.function(lambda *x, layer=layer: layer(list(x) if len(x) > 1 else x[0]), autograph=False)
        times = []
        for turn in range(options.repeats + 2):
            started = time.perf_counter()
            step(*batch)
            if turn > 1:
                times.append(time.perf_counter() - started)
        seconds[_kind(layer)] += median(times)
    return dict(seconds)


def _kind(layer: Any) -> str:
    name = type(layer).__name__
    if name == "Conv2D":
        return "convolution 1 x 1" if layer.kernel_size == (1, 1) else "convolution"
    if name == "DepthwiseConv2D":
        return "depthwise convolution"
    return "kernels of the head" if name == "Dense" else "without kernels"


if __name__ == "__main__":
    main(sys.argv[1:])
