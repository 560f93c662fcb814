"""Accuracy and time of pruning methods on small parts of CIFAR-10, with and without fine-tuning.

    python benchmarks/pruning_cost.py --cifar10 npz:data/cifar10.npz
    python benchmarks/pruning_cost.py --cifar10 npz:data/cifar10.npz --backbone resnet18 --seeds 0

`full` is the reference at full width with the same head and fine-tuning. STAMP decides at once (K = 0). All start
from the same reference; `--plain-reference FILE` gives random and L1 another one. Fine-tuning is SGD 0.05 with a
cosine, batch 128, augmentation on. STAMP and `full` run directly after each other: their times are compared.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stamp_tf.benchmark.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"
EPOCHS = {1_000: 20, 10_000: 5}
BUDGETS = (0.25, 0.1)
METHODS = ("stamp", "full", "random", "l1", "stamp-structure")
FROM_PLAIN = ("random", "l1")


def cases_of(
    seeds: Sequence[int], sizes: Sequence[int], budgets: Sequence[float], methods: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the cases: seed by seed, small sets first, `full` between the budgets of STAMP."""
    for seed in seeds:
        for size in sizes:
            runs = [(method, budget) for method in methods for budget in budgets if method != "full"]
            if "full" in methods:
                runs.insert(1, ("full", 1.0))
            for method, budget in runs:
                yield {
                    "dataset": "cifar10",
                    "train_size": size,
                    "method": method,
                    "max_flops": budget,
                    "seed": seed,
                }


def main(arguments: Sequence[str]) -> None:
    """Run every chosen case that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True, help="the data set, as after `stamp-tf prune --dataset`")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--from", dest="reference", help="reference to prune; default: the bundled one")
    parser.add_argument("--plain-reference", help="where random and l1 start; default: the same")
    parser.add_argument("--seeds", type=_integers, default=(0, 1, 2))
    parser.add_argument("--sizes", type=_integers, default=tuple(EPOCHS))
    parser.add_argument("--budgets", type=_numbers, default=BUDGETS)
    parser.add_argument("--methods", type=lambda text: tuple(text.split(",")), default=METHODS)
    parser.add_argument("--epochs", type=int, help="of fine-tuning; default: 20 for 1,000 images, else 5")
    parser.add_argument("--curve", action="store_true", help="test after every epoch")
    parser.add_argument("--test-size", type=int, help="test on fewer images, to try the program out")
    parser.add_argument("--results", type=Path, default=RESULTS / "pruning_cost.jsonl")
    options = parser.parse_args(arguments)
    if unknown := set(options.methods) - set(METHODS):
        parser.error(f"--methods must be of {', '.join(METHODS)}, but got {', '.join(sorted(unknown))}.")

    from stamp_tf.benchmark.pruning_run import measure, warm_up
    from stamp_tf.data import load_dataset
    from stamp_tf.meta.fingerprint import fingerprint
    from stamp_tf.pruning.prune import find_reference

    results = Results(options.results, program="pruning_cost", arguments=arguments)
    reference = find_reference(options.reference, backbone=options.backbone)
    plain = find_reference(options.plain_reference or options.reference, backbone=options.backbone)
    if {reference.backbone.name, plain.backbone.name} != {options.backbone}:
        parser.error(f"--backbone must be the references', but got {options.backbone}; check --from.")
    starts = {method: plain if method in FROM_PLAIN else reference for method in METHODS}
    digits = {method: fingerprint(start) for method, start in starts.items()}
    todo = []
    for case in cases_of(options.seeds, options.sizes, options.budgets, options.methods):
        epochs = EPOCHS.get(case["train_size"], 5) if options.epochs is None else options.epochs
        case |= {"backbone": options.backbone, "epochs": epochs, "reference": digits[case["method"]]}
        case["test_size"] = options.test_size
        if results.figures(case) is None:
            todo.append(case)
    print(f"{len(todo)} cases to run")
    if not todo:
        return
    dataset = load_dataset(options.cifar10, image_shape=reference.backbone.input_shape)
    if options.test_size is not None:
        dataset = dataclasses.replace(dataset, test=dataset.test.subset(options.test_size, seed=0))
    parts = {}
    warm_up(reference, dataset)
    for case in todo:
        key = (case["train_size"], case["seed"])
        if key not in parts:
            parts = {
                key: dataclasses.replace(
                    dataset, train=dataset.train.subset(case["train_size"], seed=case["seed"])
                )
            }
        method = case["method"]
        figures = measure(case, starts[method], parts[key], epochs=case["epochs"], curve=options.curve)
        source = options.plain_reference if method in FROM_PLAIN else None
        figures["reference_name"] = without_folders(str(source or options.reference or "bundled"))
        results.add(case, figures, seed=case["seed"])
        print(
            f"seed {case['seed']}, {case['train_size']} images, {method} at {case['max_flops']:g}: "
            f"{figures['accuracy_without_steps']:.4f} -> {figures['accuracy']:.4f}, "
            f"{sum(figures['seconds'].values()):.1f} s",
            flush=True,
        )


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


if __name__ == "__main__":
    main(sys.argv[1:])
