"""What a refit is worth to a network that was not trained to be cut: accuracy without a gradient step.

    python benchmarks/refit.py --model resnet20.keras --pixels imagenet --dataset npz:data/cifar10.npz
    python benchmarks/refit.py --model resnet20.keras --dataset ... --other npz:data/gtsrb32.npz --budgets 0.5,0.25

Every network is cut at a budget and fitted to images of the target's training set in closed form. *As it is* keeps
the kernels and recalibrates batch-norm statistics; *other* refits kernels on the images of another data set, and the
ranking *remaining-error of other* looks at those alone. The head is that of the network itself, whose classes must be
the target's then, or with `--head ridge` in closed form. With `--epochs` every network is trained from there, all
alike.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from library.arguments import listed
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"
RANKINGS = ("random", "l1", "remaining-error")
SWAPPED = "remaining-error of other"
KERNELS = ("as it is", "refitted", "other")


def main(arguments: Sequence[str]) -> None:
    """Measure every case that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="the network: a .keras file, or .npz")
    parser.add_argument("--pixels", help="as after `stamp-tf prune --pixels`")
    parser.add_argument("--dataset", required=True, help="as after `stamp-tf prune --dataset`")
    parser.add_argument("--other", help="another data set, whose images must not serve as well")
    parser.add_argument("--images", type=int, default=1000, help="training images")
    parser.add_argument("--head", choices=("keep", "ridge"), default="keep")
    parser.add_argument("--budgets", type=listed(float), default=(0.5, 0.25))
    parser.add_argument("--rankings", type=listed(str), default=RANKINGS)
    parser.add_argument(
        "--allocation", choices=("global", "uniform"), default="global", help="of remaining errors"
    )
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning")
    parser.add_argument(
        "--kernels", type=listed(str), help=f"some of: {', '.join(KERNELS)}; or refitted at RIDGE"
    )
    parser.add_argument("--seeds", type=listed(int), default=(0,))
    parser.add_argument("--results", type=Path, default=RESULTS / "refit.jsonl")
    options = parser.parse_args(arguments)

    from library.measured_refit import RefitMeasure
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="refit", arguments=arguments)
    reference = find_reference(options.model, backbone="", pixels=options.pixels)
    shared = {
        "network": options.model.stem,
        "weights": fingerprint(reference),
        "dataset": without_folders(options.dataset),
        "images": options.images,
    }
    usual = {"head": "keep", "allocation": "global", "epochs": 0}
    shared |= {name: getattr(options, name) for name in usual if getattr(options, name) != usual[name]}
    sets = {
        "dataset": options.dataset,
        "other": options.other,
        "images": options.images,
        "head": options.head,
        "allocation": options.allocation,
        "epochs": options.epochs,
    }
    for seed in options.seeds:
        measure = RefitMeasure(reference, seed=seed, **sets)
        for case, figures in _measured(measure, options, results=results, shared=shared | {"seed": seed}):
            results.add(case, figures, seed=seed)
            print(
                case["max_flops"],
                case["ranking"],
                case["kernels"],
                f"{100 * figures['accuracy']:.2f} %",
                flush=True,
            )


def _measured(measure: Any, options: Any, *, results: Results, shared: dict[str, Any]) -> Any:
    """Yield cases that have no record yet, with their figures."""
    kernels = options.kernels or (KERNELS if options.other else KERNELS[:2])
    full = shared | {"max_flops": 1.0, "ranking": "none", "kernels": "as it is"}
    if results.figures(full) is None:
        yield full, measure.full()
    for budget, ranking, kind in product(options.budgets, options.rankings, kernels):
        case = shared | {"max_flops": budget, "ranking": ranking, "kernels": kind}
        if kind == "other" or ranking == SWAPPED:
            case |= {"other": without_folders(options.other)}
        if results.figures(case) is None:
            yield case, measure.pruned(budget, ranking=ranking, kernels=kind)


if __name__ == "__main__":
    main(sys.argv[1:])
