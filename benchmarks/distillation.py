"""What the full network adds as a teacher: accuracy after fine-tuning, by share of the loss and temperature.

    python benchmarks/distillation.py --model resnet20.keras --pixels imagenet --dataset npz:data/cifar10.npz
    python benchmarks/distillation.py --model resnet20.keras --dataset ... --budgets 0.25 --temperatures 2,4

Channels go by remaining error, kernels are refitted, the head is that of the network itself. From there every case is
trained for as long, on the same images in the same order; share 0 are the labels alone.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from library.arguments import listed
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> None:
    """Measure every case that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the network, a .keras file")
    parser.add_argument("--pixels", help="as after `stamp-tf prune --pixels`")
    parser.add_argument("--dataset", required=True, help="as after `stamp-tf prune --dataset`")
    parser.add_argument("--images", type=int, default=5000, help="training images")
    parser.add_argument("--epochs", type=int, default=3, help="of fine-tuning")
    parser.add_argument("--learning-rate", type=float, default=0.02, help="its peak")
    parser.add_argument("--budgets", type=listed(float), default=(0.5, 0.25))
    parser.add_argument("--shares", type=listed(float), default=(0.0, 0.5, 0.9))
    parser.add_argument("--temperatures", type=listed(float), default=(4.0,))
    parser.add_argument("--seeds", type=listed(int), default=(0,))
    parser.add_argument("--results", type=Path, default=RESULTS / "distillation.jsonl")
    options = parser.parse_args(arguments)

    from library.measured_distillation import DistillationMeasure
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="distillation", arguments=arguments)
    reference = find_reference(options.model, backbone="", pixels=options.pixels)
    settings = {"images": options.images, "epochs": options.epochs, "learning_rate": options.learning_rate}
    named = {
        "network": options.model.stem,
        "weights": fingerprint(reference),
        "dataset": without_folders(options.dataset),
    }
    for budget, seed in product(options.budgets, options.seeds):
        shared = named | settings | {"max_flops": budget, "seed": seed}
        cases = [shared | case for case in _cases(options) if results.figures(shared | case) is None]
        if not cases:
            continue
        measure = DistillationMeasure(
            reference, dataset=options.dataset, max_flops=budget, seed=seed, **settings
        )
        for case in cases:
            figures = measure.trained(case["distill"], temperature=case["temperature"])
            results.add(case, figures, seed=seed)
            print(
                budget,
                case["distill"],
                case["temperature"],
                f"{100 * figures['accuracy_without_steps']:.2f} -> {100 * figures['accuracy']:.2f} %",
                flush=True,
            )


def _cases(options: Any) -> Iterator[dict[str, float | None]]:
    """Yield shares and temperatures; without a share there is no temperature."""
    for share in options.shares:
        for temperature in options.temperatures if share else (None,):
            yield {"distill": share, "temperature": temperature}


if __name__ == "__main__":
    main(sys.argv[1:])
