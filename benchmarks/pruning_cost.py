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
import time
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


def measure(
    case: dict[str, Any], reference: Any, dataset: Any, *, epochs: int, curve: bool
) -> dict[str, Any]:
    """Run one case.

    Args:
        case: What to run.
        reference: The network to start from.
        dataset: The target, cut to its training size.
        epochs: Of fine-tuning.
        curve: Whether to test after every epoch.

    Returns:
        Accuracies, seconds by phase, remaining fractions and one record per epoch.
    """
    from stamp_tf.data import Normalization
    from stamp_tf.pruning.prune import PruneConfig, prune
    from stamp_tf.training.evaluate import evaluate_accuracy
    from stamp_tf.training.finetune import FinetuneConfig, finetune

    settings = FinetuneConfig(epochs=epochs, evaluate=curve, seed=case["seed"])
    normalization = Normalization.of(dataset.train)
    if case["method"] == "full":
        model, times = full_network(reference, dataset, normalization, seed=case["seed"])
        accuracy, fractions = evaluate_accuracy(model, dataset.test, normalization=normalization), (1.0, 1.0)
    else:
        # No epochs here and fine-tuning below, so that accuracy is known in between and nothing is done twice.
        config = PruneConfig(
            method=case["method"].partition("-")[0],
            max_flops=case["max_flops"],
            structure_only=case["method"] == "stamp-structure",
            finetune=dataclasses.replace(settings, epochs=0, evaluate=False),
            seed=case["seed"],
        )
        result = prune(dataset, reference, config=config)
        model, accuracy = result.model, result.test_accuracy
        times = {phase: result.times[phase] for phase in ("propose", "slice", "statistics", "head")}
        fractions = (result.params_fraction, result.flops_fraction)
    records = finetune(model, dataset, normalization=normalization, config=settings)
    final = records[-1].test_accuracy if epochs else accuracy
    if final is None:
        final = evaluate_accuracy(model, dataset.test, normalization=normalization)
    return {
        "accuracy_without_steps": accuracy,
        "accuracy": final,
        "params_fraction": fractions[0],
        "flops_fraction": fractions[1],
        "seconds": {**times, "finetune": records[-1].seconds},
        "epochs": [vars(record) for record in records],
    }


def full_network(
    reference: Any, dataset: Any, normalization: Any, *, seed: int
) -> tuple[Any, dict[str, float]]:
    """Return the reference at full width, made ready for a data set like a pruned one, and its times."""
    import keras

    from stamp_tf.meta.transfer import transfer_weights
    from stamp_tf.training.head import fit_head
    from stamp_tf.training.statistics import recalibrate_statistics, statistics_images

    keras.utils.set_random_seed(seed)
    model = reference.backbone.build(num_classes=dataset.num_classes)
    transfer_weights(reference.model, model)
    started = time.perf_counter()
    recalibrate_statistics(model, statistics_images(dataset.train, normalization, seed=seed))
    recalibrated = time.perf_counter()
    fit_head(model, dataset.train, normalization=normalization)
    return model, {"statistics": recalibrated - started, "head": time.perf_counter() - recalibrated}


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


def warm_up(reference: Any, dataset: Any) -> None:
    """Run through everything once on a few images: what TensorFlow does once belongs to no method."""
    few = dataclasses.replace(
        dataset,
        train=dataset.train.subset(20 * dataset.num_classes, seed=0),
        test=dataset.test.subset(dataset.num_classes, seed=0),
    )
    methods = ("random",) if reference.scores is None else ("stamp", "full")
    for method in methods:
        measure({"method": method, "max_flops": 0.25, "seed": 0}, reference, few, epochs=1, curve=False)


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


if __name__ == "__main__":
    main(sys.argv[1:])
