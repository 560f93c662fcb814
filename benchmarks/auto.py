"""`--method auto` beside every way that it chooses between, each as a fixed method, on the untouched test images.

    python benchmarks/auto.py --model resnet20.keras --pixels imagenet --dataset npz:data/cifar10.npz --head keep
    python benchmarks/auto.py --reference benchmarks/references/vgg19-plain.npz --dataset npz:data/gtsrb32.npz
    python benchmarks/auto.py --backbone vgg19 --dataset digits --budgets 0.25

Every way is measured in closed form and, from there, after as many epochs as are asked for.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from library.arguments import listed
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> None:
    """Measure every budget and seed that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--model", type=Path, help="somebody's own, a .keras file")
    network.add_argument("--reference", type=Path, help="a reference file")
    network.add_argument("--backbone", help="the bundled reference of this name")
    parser.add_argument("--pixels", help="as after `stamp-tf prune --pixels`")
    parser.add_argument("--dataset", required=True, help="as after `stamp-tf prune --dataset`")
    parser.add_argument("--images", type=int, default=500, help="training images")
    parser.add_argument("--tested", type=int, default=5000, help="test images")
    parser.add_argument("--head", choices=("keep", "ridge"))
    parser.add_argument("--budgets", type=listed(float), default=(0.5, 0.25, 0.1))
    parser.add_argument("--epochs", type=int, default=3, help="of fine-tuning; 0 for none")
    parser.add_argument("--seeds", type=listed(int), default=(0,))
    parser.add_argument("--results", type=Path, default=RESULTS / "auto.jsonl")
    options = parser.parse_args(arguments)

    from library.measured_auto import AutoMeasure
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="auto", arguments=arguments)
    given = options.model or options.reference
    reference = find_reference(given, backbone=options.backbone or "", pixels=options.pixels)
    shared = {
        "network": given.stem if given else f"{options.backbone} (bundled)",
        "weights": fingerprint(reference),
        "dataset": without_folders(options.dataset),
        "images": options.images,
    }
    for seed in options.seeds:
        measure = None
        for budget in options.budgets:
            case = shared | {"max_flops": budget, "seed": seed}
            stages = (0, options.epochs) if options.epochs else (0,)
            if all(results.figures(case | {"epochs": epochs, "way": "auto"}) for epochs in stages):
                continue
            measure = measure or AutoMeasure(
                reference,
                dataset=options.dataset,
                images=options.images,
                tested=options.tested,
                head=options.head,
                seed=seed,
            )
            # The choice comes last, so that a stage that was cut off is measured again.
            for epochs, way, figures in measure.ways(budget, epochs=options.epochs):
                one = case | {"epochs": epochs, "way": way}
                if results.figures(one) is None:
                    results.add(one, figures, seed=seed)
                    accuracy = f"{100 * figures['accuracy']:.2f} %"
                    print(budget, epochs, way, figures.get("chosen", ""), accuracy, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
