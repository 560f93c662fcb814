"""Accuracy and time of pruning methods on small parts of data sets, with and without fine-tuning.

    python benchmarks/pruning_cost.py --cifar10 npz:data/cifar10.npz
    python benchmarks/pruning_cost.py --cifar10 npz:data/cifar10.npz --backbone resnet18 --seeds 0
    python benchmarks/pruning_cost.py --cifar10 ... --methods static,stamp --test-after 1,3,5

All start from the same reference; `--plain-reference FILE` gives random and L1 another one, and with
`--both-references` they start from either. Fine-tuning is SGD 0.2 (or `--learning-rate`) with a cosine, batch 128,
augmentation on. STAMP and `full` run directly after each other: their times are compared. Methods:

    stamp            STAMP, which decides at once (K = 0)
    full             the reference at full width with the same head and fine-tuning
    random, l1       random channels and largest L1 norms in uniform widths
    stamp-structure  fresh weights in the widths of `stamp`
    static           the reference's learnt order, which knows no target
    static-uniform   that order, the same fraction of every layer
    stamp-k1         STAMP after one epoch of steps on the target (K = 1)
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from library.arguments import listed
from library.results import UNNAMED_HEAD, UNNAMED_RATE, Results, without_folders

RESULTS = Path(__file__).parent / "results"
EPOCHS = {1_000: 20, 10_000: 5}
BUDGETS = (0.25, 0.1)
TARGETS = ("cifar10", "gtsrb")
METHODS = ("stamp", "full", "random", "l1", "stamp-structure")
ALL_METHODS = (*METHODS, "static", "static-uniform", "stamp-k1")
FROM_PLAIN = ("random", "l1")


def cases_of(
    seeds: Sequence[int],
    sizes: Sequence[int],
    budgets: Sequence[float],
    methods: Sequence[str],
    *,
    datasets: Sequence[str] = ("cifar10",),
) -> Iterator[dict[str, Any]]:
    """Yield the cases: seed by seed, small sets first, `full` between the budgets of STAMP."""
    runs = [(method, budget) for method in methods for budget in budgets if method != "full"]
    if "full" in methods:
        runs.insert(1, ("full", 1.0))
    for seed, size, dataset, (method, budget) in product(seeds, sizes, datasets, runs):
        yield {"dataset": dataset, "train_size": size, "method": method, "max_flops": budget, "seed": seed}


def size_used(size: int, images: Any) -> int:
    """Return how many images a part has: as many of each class, or all if more are asked for than there are.

    Args:
        size: Wanted number.
        images: The training images.
    """
    return len(images) if size >= len(images) else size // images.num_classes * images.num_classes


def main(arguments: Sequence[str]) -> None:
    """Run every chosen case that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for target in TARGETS:
        parser.add_argument(f"--{target}", help="a target, as after `stamp-tf prune --dataset`")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--from", dest="reference", help="reference to prune; default: the bundled one")
    parser.add_argument("--plain-reference", help="where random and l1 start; default: the same")
    parser.add_argument("--both-references", action="store_true", help="random and l1 start from either")
    parser.add_argument("--seeds", type=_integers, default=(0, 1, 2))
    parser.add_argument("--sizes", type=_integers, default=tuple(EPOCHS))
    parser.add_argument("--budgets", type=listed(float), default=BUDGETS)
    parser.add_argument("--methods", type=lambda text: tuple(text.split(",")), default=METHODS)
    parser.add_argument(
        "--head", choices=("logistic", "ridge"), default="logistic", help="how the last layer is fitted"
    )
    parser.add_argument("--epochs", type=int, help="of fine-tuning; default: 20 for 1,000 images, else 5")
    parser.add_argument("--learning-rate", type=float, default=0.2, help="of fine-tuning")
    parser.add_argument(
        "--test-after",
        type=_integers,
        default=(),
        help="epochs to test after besides the last, such as 1,3,5",
    )
    parser.add_argument("--test-size", type=int, help="test on fewer images, to try the program out")
    parser.add_argument("--results", type=Path, default=RESULTS / "pruning_cost.jsonl")
    options = parser.parse_args(arguments)
    targets = [target for target in TARGETS if getattr(options, target)]
    if not targets:
        parser.error("give at least one of --cifar10 and --gtsrb.")
    if unknown := set(options.methods) - set(ALL_METHODS):
        parser.error(f"--methods must be of {', '.join(ALL_METHODS)}, but got {', '.join(sorted(unknown))}.")
    if options.both_references and not options.plain_reference:
        parser.error("--both-references needs a second one, but got none; add --plain-reference.")

    from library.measured_pruning import measure, warm_up
    from library.simpler_references import static_reference, uniform_reference
    from stamp_tf.data import load_dataset
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    results = Results(options.results, program="pruning_cost", arguments=arguments)
    reference = find_reference(options.reference, backbone=options.backbone)
    plain = find_reference(options.plain_reference or options.reference, backbone=options.backbone)
    if {reference.backbone.name, plain.backbone.name} != {options.backbone}:
        parser.error(f"--backbone must be the references', but got {options.backbone}; check --from.")
    if "stamp-k1" in options.methods and reference.mask_generator is None:
        parser.error("--methods stamp-k1 needs a meta-trained reference, but --from is none; leave it out.")
    own, other = fingerprint(reference), fingerprint(plain)
    names = {own: options.reference or "bundled"}
    names.setdefault(other, options.plain_reference)
    image_shape = reference.backbone.input_shape
    datasets = {target: load_dataset(getattr(options, target), image_shape=image_shape) for target in targets}
    todo: list[dict[str, Any]] = []
    for case in cases_of(options.seeds, options.sizes, options.budgets, options.methods, datasets=targets):
        epochs = EPOCHS.get(case["train_size"], 5) if options.epochs is None else options.epochs
        case |= {"backbone": options.backbone, "epochs": epochs, "test_size": options.test_size}
        if options.learning_rate != UNNAMED_RATE:
            case["learning_rate"] = options.learning_rate
        if options.head != UNNAMED_HEAD:
            case["head"] = options.head
        case["train_size"] = size_used(case["train_size"], datasets[case["dataset"]].train)
        starts = [own]
        if case["method"] in FROM_PLAIN:
            starts = [own, other] if options.both_references else [other]
        # Sizes that were cut may be the same now, and the two references may be one.
        for start in starts:
            if (
                results.figures(case | {"reference": start}) is None
                and case | {"reference": start} not in todo
            ):
                todo.append(case | {"reference": start})
    print(f"{len(todo)} cases to run")
    if not todo:
        return
    if options.test_size is not None:
        datasets = {
            target: dataclasses.replace(dataset, test=dataset.test.subset(options.test_size, seed=0))
            for target, dataset in datasets.items()
        }
    changed: dict[str, Any] = {}
    if any(case["method"] == "static" for case in todo):
        changed["static"] = static_reference(reference)
    if any(case["method"] == "static-uniform" for case in todo):
        changed["static-uniform"] = uniform_reference(reference)
    warm_up(reference, next(iter(datasets.values())))
    part: Any = None
    part_key: tuple[Any, ...] = ()
    for case in todo:
        key = (case["dataset"], case["train_size"], case["seed"])
        if key != part_key:
            part, part_key = _part(datasets[case["dataset"]], case["train_size"], case["seed"]), key
        # A reference with another order keeps the digest of the one it was made from: the method names the change.
        start = changed.get(case["method"], reference if case["reference"] == own else plain)
        figures = measure(case, start, part, epochs=case["epochs"], tested_epochs=options.test_after)
        figures["reference_name"] = without_folders(str(names[case["reference"]]))
        results.add(case, figures, seed=case["seed"])
        print(
            f"seed {case['seed']}, {case['train_size']} images of {case['dataset']}, {case['method']} at "
            f"{case['max_flops']:g}: {figures['accuracy_without_steps']:.4f} -> {figures['accuracy']:.4f}, "
            f"{sum(figures['seconds'].values()):.1f} s",
            flush=True,
        )


def _part(dataset: Any, size: int, seed: int) -> Any:
    """Return the data set with so many training images."""
    if size == len(dataset.train):
        return dataset
    return dataclasses.replace(dataset, train=dataset.train.subset(size, seed=seed))


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    main(sys.argv[1:])
