"""Measured speed-up of pruned networks against their FLOPs speed-up, for training steps and inference.

    python benchmarks/speed.py --width 1.0
    python benchmarks/speed.py --width 1.0 --backbone resnet18

The network has the given width and random weights: speed does not depend on them. `uniform` widths keep the same
fraction of every layer. `reference` widths are those of the bundled reference at the same budget: its scores,
sorted within each layer and stretched to the layer's size, are cut by the same budget function. Full and pruned
network take turns.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.results import Results

RESULTS = Path(__file__).parent / "results"
BUDGETS = (0.25, 0.1)
WIDTHS = ("uniform", "reference")
BATCH_SIZES = (1, 128)
SEED = 0


def stretched(values: Any, group_sizes: Sequence[int], new_sizes: Sequence[int]) -> Any:
    """Return scores of a wider network with the same distribution in each layer.

    Args:
        values: Score per channel of the narrow network, `[C]`.
        group_sizes: Its channels per group.
        new_sizes: Those of the wide network.

    Returns:
        Score per channel of the wide network, falling within each group.
    """
    import numpy as np

    parts, start = [], 0
    for size, new_size in zip(group_sizes, new_sizes, strict=True):
        falling = -np.sort(-np.asarray(values)[start : start + size])
        # Channel i of n stands for the fraction (i + 1/2) / n of its layer.
        places = (np.arange(new_size) + 0.5) / new_size
        parts.append(np.interp(places, (np.arange(size) + 0.5) / size, falling))
        start += size
    return np.concatenate(parts)


def main(arguments: Sequence[str]) -> None:
    """Measure every budget and kind of widths that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--widths", type=lambda text: tuple(text.split(",")), default=WIDTHS)
    parser.add_argument("--from", dest="reference", help="reference for its widths; default: the bundled one")
    parser.add_argument("--cifar10", help="score the channels for this data set; default: the learnt scores")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZES[-1])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--max-seconds", type=float, default=30.0, help="per batch size")
    parser.add_argument("--results", type=Path, default=RESULTS / "speed.jsonl")
    options = parser.parse_args(arguments)
    if unknown := set(options.widths) - set(WIDTHS):
        parser.error(f"--widths must be of {', '.join(WIDTHS)}, but got {', '.join(sorted(unknown))}.")

    import keras
    import numpy as np

    from library.simpler_references import scores_for
    from stamp_tf.baselines.uniform import uniform_scores
    from stamp_tf.channels import Budget, ChannelCut, CostModel, slice_model, trace_channels
    from stamp_tf.data import load_dataset
    from stamp_tf.measure.speed import INFERENCE, TRAINING, measure_speed
    from stamp_tf.references.backbone_config import BackboneConfig
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="speed", arguments=arguments)
    keras.utils.set_random_seed(SEED)
    shape = (options.image_size, options.image_size, 3)
    model = BackboneConfig(
        name=options.backbone,
        input_shape=shape,
        num_classes=options.classes,
        options={"width": options.width},
    ).build()
    channel_map = trace_channels(model)
    cost = CostModel(model, channel_map)
    cut = ChannelCut(channel_map, cost)
    for widths in options.widths:
        digits = None
        if widths == "uniform":
            values = np.random.default_rng(SEED).uniform(size=channel_map.num_channels)
            scores = uniform_scores(channel_map, values)
        else:
            reference = find_reference(options.reference, backbone=options.backbone)
            digits = fingerprint(reference)
            values = reference.scores
            if options.cifar10 is not None:
                dataset = load_dataset(options.cifar10, image_shape=reference.backbone.input_shape)
                values = scores_for(reference, dataset, seed=SEED)
            if values is None:
                parser.error("--widths reference needs a reference with learnt scores; give another --from.")
            scores = stretched(values, reference.channel_map.group_sizes, channel_map.group_sizes)
        for budget in BUDGETS:
            case = {name: getattr(options, name) for name in ("backbone", "width", "classes", "image_size")}
            case |= {"widths": widths, "max_flops": budget, "reference": digits}
            case |= {"batch_size": options.batch_size, "for_dataset": "cifar10" if options.cifar10 else None}
            if results.figures(case) is not None:
                print(f"already measured: {case}")
                continue
            mask = cut.meet(scores, Budget(max_flops=budget))
            pruned = slice_model(model, channel_map, mask)
            speed = measure_speed(
                {"full": model, "pruned": pruned},
                batch_sizes=(1, options.batch_size),
                training_batch_sizes=(options.batch_size,),
                repeats=options.repeats,
                max_seconds=options.max_seconds,
                seed=SEED,
            )
            flops_speed_up = 1 / float(cost.exact_fractions(mask)[1])
            rows: list[dict[str, Any]] = []
            for kind, batch_size in (
                (TRAINING, options.batch_size),
                (INFERENCE, 1),
                (INFERENCE, options.batch_size),
            ):
                seconds = {
                    name: speed.seconds(name, kind, batch_size=batch_size) for name in ("full", "pruned")
                }
                speed_up = seconds["full"] / seconds["pruned"]
                rows.append(
                    {"kind": kind, "batch_size": batch_size, "seconds": seconds, "speed_up": speed_up}
                )
                rows[-1]["of_flops_speed_up"] = speed_up / flops_speed_up
            figures = {
                "params_fraction": float(cost.exact_fractions(mask)[0]),
                "flops_fraction": float(cost.exact_fractions(mask)[1]),
                "flops_speed_up": flops_speed_up,
                "kept": {name: len(kept) for name, kept in channel_map.kept(mask).items()},
                "rows": rows,
            }
            results.add(case, figures, seed=SEED)
            print(widths, budget, f"FLOPs / {flops_speed_up:.2f}", rows, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
