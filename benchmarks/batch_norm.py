"""What batch normalisation should go by while a refitted network is fine-tuned.

    python benchmarks/batch_norm.py --model resnet20.keras --pixels imagenet --dataset npz:data/cifar10.npz

Channels go by remaining error, kernels are refitted, the head is that of the network itself. From there every case is
trained on the same images in the same order: by the statistics of each batch, by moving ones that stay (`frozen`), or
by those of each batch where the refit has left the full network's (`batch, not settled`).
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from library.arguments import listed
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> None:
    """Measure every case that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the network, a .keras file")
    parser.add_argument("--pixels", help="as after `stamp-tf prune --pixels`")
    parser.add_argument("--dataset", required=True, help="as after `stamp-tf prune --dataset`")
    parser.add_argument("--images", type=int, default=1000, help="training images")
    parser.add_argument("--budgets", type=listed(float), default=(0.5, 0.25))
    parser.add_argument("--epochs", type=listed(int), default=(1, 5))
    parser.add_argument("--learning-rates", type=listed(float), default=(0.05, 0.01))
    parser.add_argument("--ways", type=listed(str), default=("batch, not settled", "batch", "frozen"))
    parser.add_argument("--seeds", type=listed(int), default=(0,))
    parser.add_argument("--results", type=Path, default=RESULTS / "batch_norm.jsonl")
    options = parser.parse_args(arguments)

    from library.measured_batch_norm import BatchNormMeasure
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="batch_norm", arguments=arguments)
    reference = find_reference(options.model, backbone="", pixels=options.pixels)
    named = {
        "network": options.model.stem,
        "weights": fingerprint(reference),
        "dataset": without_folders(options.dataset),
        "images": options.images,
    }
    for seed, budget in product(options.seeds, options.budgets):
        measure = None
        for epochs, rate, way in product(options.epochs, options.learning_rates, options.ways):
            case = named | {
                "max_flops": budget,
                "epochs": epochs,
                "learning_rate": rate,
                "way": way,
                "seed": seed,
            }
            if results.figures(case) is not None:
                continue
            sets = {"dataset": options.dataset, "images": options.images}
            measure = measure or BatchNormMeasure(reference, max_flops=budget, seed=seed, **sets)
            figures = measure.trained(way, epochs=epochs, learning_rate=rate)
            results.add(case, figures, seed=seed)
            accuracies = f"{100 * figures['accuracy_without_steps']:.2f} -> {100 * figures['accuracy']:.2f} %"
            print(budget, epochs, rate, way, accuracies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
