"""What other criteria keep, and what is left of the accuracy: torch-pruning on the same weights, budgets and images.

    python benchmarks/peers_accuracy.py --torch-python PATH --model resnet20.keras --pixels imagenet \\
        --dataset npz:data/cifar10.npz --budgets 0.5 --epochs 2

`--torch-python` is the Python of an environment that holds PyTorch and torch-pruning (`pip install torch
torch-pruning`). Each of its criteria, per layer and over all, decides which channels stay; both sides then have the
same network, which is checked on its outputs in full and cut. Statistics are recalibrated on the same images as
ours, and with `--epochs` the best of its criteria, by its accuracy on the test images, is trained as ours is.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.arguments import listed
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> None:
    """Measure every budget and seed that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--torch-python", required=True, help="its Python")
    parser.add_argument("--model", type=Path, required=True, help="the network: a .keras file, or .npz")
    parser.add_argument("--pixels", help="as after `stamp-tf prune --pixels`")
    parser.add_argument("--dataset", required=True, help="as after `stamp-tf prune --dataset`")
    parser.add_argument("--images", type=int, default=1000, help="training images")
    parser.add_argument("--head", choices=("keep", "ridge"), default="keep")
    parser.add_argument("--budgets", type=listed(float), default=(0.5, 0.25))
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning, for the best of each side")
    parser.add_argument("--seeds", type=listed(int), default=(0,))
    parser.add_argument("--results", type=Path, default=RESULTS / "peers_accuracy.jsonl")
    options = parser.parse_args(arguments)

    from library.measured_refit import RefitMeasure
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="peers_accuracy", arguments=arguments)
    reference = find_reference(options.model, backbone="", pixels=options.pixels)
    for seed in options.seeds:
        shared = {
            "network": options.model.stem,
            "weights": fingerprint(reference),
            "dataset": without_folders(options.dataset),
            "images": options.images,
            "head": options.head,
            "epochs": options.epochs,
            "seed": seed,
        }
        missing = [one for one in options.budgets if results.figures(shared | {"max_flops": one}) is None]
        if not missing:
            continue
        sets: dict[str, Any] = {
            "dataset": options.dataset,
            "other": None,
            "images": options.images,
            "head": options.head,
            "seed": seed,
        }
        measure = RefitMeasure(reference, **sets)
        trained = RefitMeasure(reference, epochs=options.epochs, **sets) if options.epochs else None
        for budget, figures in _compared(measure, trained, missing, torch_python=options.torch_python):
            results.add(shared | {"max_flops": budget}, figures, seed=seed)


def _compared(measure: Any, trained: Any, budgets: Sequence[float], *, torch_python: str) -> Any:
    """Yield each budget with the figures of both sides."""
    from library.measured_peer import peer_masks

    ways: dict[float, list[tuple[dict[str, Any], Any]]] = {budget: [] for budget in budgets}
    for one, mask in peer_masks(measure, budgets=budgets, torch_python=torch_python):
        if mask is not None:
            one |= measure.cut(mask, kernels="as it is")
            print(one["max_flops"], one["criterion"], one["is_global"], f"{one['accuracy']:.4f}", flush=True)
        ways[one["max_flops"]].append((one, mask))
    full = (trained or measure).full()
    for budget in budgets:
        working = [way for way in ways[budget] if way[1] is not None]
        best, mask = max(working, key=lambda way: way[0]["accuracy"])
        figures = {
            "full": full,
            "torch-pruning": [one for one, _ in ways[budget]],
            "best": f"{best['criterion']}, {'over all' if best['is_global'] else 'per layer'}",
            "refitted": measure.cut(mask, kernels="refitted")["accuracy"],
            "ours": measure.pruned(budget, ranking="remaining-error", kernels="refitted"),
        }
        if trained is not None:
            figures |= {
                "trained": {
                    "torch-pruning": trained.cut(mask, kernels="as it is")["accuracy"],
                    "ours": trained.pruned(budget, ranking="remaining-error", kernels="refitted")["accuracy"],
                }
            }
        print(
            budget,
            figures["best"],
            f"{best['accuracy']:.4f}",
            f"{figures['ours']['accuracy']:.4f}",
            flush=True,
        )
        yield budget, figures


if __name__ == "__main__":
    main(sys.argv[1:])
