"""What removing channels is worth in measured speed: four networks at three budgets, for each kind of step.

    taskset -c 0 env TF_NUM_INTRAOP_THREADS=1 python benchmarks/removal_speed.py

ResNet-50 and MobileNetV2 are those of keras.applications at --image-size, VGG-19 and ResNet-18 those of this library
at 32 x 32. Weights are random: speed does not depend on them. Every layer keeps the same fraction of its channels,
drawn at random; once as the budget has it, and once in multiples of 8, which suits vector units. The full network and
all of its smaller ones take turns.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.arguments import listed
from library.results import Results

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("resnet50", "mobilenet_v2", "vgg19", "resnet18")
BUDGETS = (0.75, 0.5, 0.25)
BATCH_SIZES = (1, 32)
SEED = 0


def build(network: str, image_size: int, num_classes: int) -> Any:
    """Return a network with random weights, from images to logits."""
    import keras

    from stamp_tf.references.backbone_config import BackboneConfig

    keras.utils.set_random_seed(SEED)
    if network in ("vgg19", "resnet18"):
        return BackboneConfig(
            name=network, input_shape=(32, 32, 3), num_classes=num_classes, options={"width": 1.0}
        ).build()
    application = {
        "resnet50": keras.applications.ResNet50,
        "mobilenet_v2": keras.applications.MobileNetV2,
    }[network]
    shape = (image_size, image_size, 3)
    return application(weights=None, input_shape=shape, classes=num_classes, classifier_activation=None)


def measure(model: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Prune a network at every budget and time the results beside it."""
    import numpy as np

    from stamp_tf.baselines.uniform import uniform_scores
    from stamp_tf.channels import Budget, ChannelCut, CostModel, WidthRules, slice_model, trace_channels
    from stamp_tf.measure.speed import INFERENCE, TRAINING, measure_speed

    channel_map = trace_channels(model)
    cost = CostModel(model, channel_map)
    scores = uniform_scores(channel_map, np.random.default_rng(SEED).uniform(size=channel_map.num_channels))
    variants: list[dict[str, Any]] = []
    models = {"full": model}
    for max_flops in options.budgets:
        for round_to in options.round_to:
            mask = ChannelCut(channel_map, cost, rules=WidthRules(round_to=round_to)).meet(
                scores, Budget(max_flops=max_flops)
            )
            name = f"{max_flops:g}/{round_to}"
            models[name] = slice_model(model, channel_map, mask)
            fractions = cost.exact_fractions(mask)
            variants.append({"name": name, "max_flops": max_flops, "round_to": round_to})
            variants[-1] |= {"params_fraction": float(fractions[0]), "flops_fraction": float(fractions[1])}
    speed = measure_speed(
        models,
        batch_sizes=options.batch_sizes,
        training_batch_sizes=options.batch_sizes,
        repeats=options.repeats,
        max_seconds=options.max_seconds,
        seed=SEED,
    )
    full = {
        (kind, batch_size): speed.seconds("full", kind, batch_size=batch_size)
        for kind in (INFERENCE, TRAINING)
        for batch_size in options.batch_sizes
    }
    for variant in variants:
        variant["flops_speed_up"] = 1 / variant["flops_fraction"]
        variant["steps"] = []
        for (kind, batch_size), seconds in full.items():
            own = speed.seconds(variant["name"], kind, batch_size=batch_size)
            variant["steps"].append(
                {"kind": kind, "batch_size": batch_size, "seconds": own, "speed_up": seconds / own}
            )
    steps = [{"kind": kind, "batch_size": size, "seconds": seconds} for (kind, size), seconds in full.items()]
    return {
        "device": speed.device,
        "full": {"flops": int(cost.full[1]), "steps": steps},
        "variants": variants,
    }


def main(arguments: Sequence[str]) -> None:
    """Measure every network that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--networks", type=lambda text: tuple(text.split(",")), default=NETWORKS)
    parser.add_argument("--budgets", type=listed(float), default=BUDGETS)
    parser.add_argument("--round-to", type=listed(int), default=(1, 8), help="1 leaves widths as they are")
    parser.add_argument("--batch-sizes", type=listed(int), default=BATCH_SIZES)
    parser.add_argument("--image-size", type=int, default=96, help="of resnet50 and mobilenet_v2")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--max-seconds", type=float, default=90.0, help="per kind and batch size")
    parser.add_argument("--results", type=Path, default=RESULTS / "removal_speed.jsonl")
    options = parser.parse_args(arguments)
    if unknown := set(options.networks) - set(NETWORKS):
        parser.error(f"--networks must be of {', '.join(NETWORKS)}, but got {', '.join(sorted(unknown))}.")
    results = Results(options.results, program="removal_speed", arguments=arguments)
    for network in options.networks:
        model = build(network, options.image_size, options.classes)
        case = {"network": network, "image_size": model.input_shape[1], "classes": options.classes}
        case |= {name: list(getattr(options, name)) for name in ("budgets", "round_to", "batch_sizes")}
        if results.figures(case) is not None:
            print(f"already measured: {case}")
            continue
        figures = measure(model, options)
        results.add(case, figures, seed=SEED)
        for variant in figures["variants"]:
            steps = {f"{s['kind']} {s['batch_size']}": round(s["speed_up"], 2) for s in variant["steps"]}
            print(network, variant["name"], f"FLOPs / {variant['flops_speed_up']:.2f}", steps, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
