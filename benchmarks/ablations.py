"""What each part of the training is worth: short trainings that differ in one thing.

    python benchmarks/ablations.py --cifar100 npz:data/cifar100.npz --cifar10 npz:data/cifar10.npz \\
        --gtsrb npz:data/gtsrb32.npz --plain-reference benchmarks/references/vgg19-plain.npz --folder runs/ablations

The rows stand in `evidence/ablations.toml`. Each is trained for some minutes and judged on parts of the targets: test
accuracy of the masked network with recalibrated statistics and a head in closed form, no gradient step but the K
epochs of the last rows. *Swapped* masks were made for the other target. What was trained is kept in `--folder`, and
training goes on from where it was stopped.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from library.own_plugins import own_plugins
from library.results import Results

EVIDENCE = Path(__file__).parent / "evidence"
TARGETS = ("cifar10", "gtsrb")
BUDGETS = (0.25, 0.1, 0.05)


# `constant`, the control that never sees the set, is a plug-in of the benchmarks.
@own_plugins()
def main(arguments: Sequence[str]) -> None:
    """Train and judge every row that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for target in TARGETS:
        parser.add_argument(
            f"--{target}", required=True, help="a target, as after `stamp-tf prune --dataset`"
        )
    parser.add_argument("--cifar100", required=True, help="what is trained on")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument(
        "--from", dest="reference", help="where meta-training starts; default: the bundled one"
    )
    parser.add_argument("--plain-reference", required=True, help="where training at budgets starts")
    parser.add_argument("--folder", type=Path, required=True, help="where the trained references are kept")
    parser.add_argument("--rows", type=Path, default=EVIDENCE / "ablations.toml")
    parser.add_argument("--only", help="names of rows, separated by commas; default: all")
    parser.add_argument("--budgets", type=lambda text: tuple(map(float, text.split(","))), default=BUDGETS)
    parser.add_argument("--train-size", type=int, default=1000)
    parser.add_argument("--test-size", type=int, default=2000)
    parser.add_argument("--seeds", type=lambda text: tuple(map(int, text.split(","))), default=(0, 1, 2))
    parser.add_argument("--results", type=Path, default=EVIDENCE / "results" / "ablations.jsonl")
    options = parser.parse_args(arguments)

    from library.masked_accuracy import MaskedAccuracy
    from library.short_training import accuracy_after_steps, read_rows, trained
    from library.simpler_references import scores_for
    from stamp_tf.channels import Budget
    from stamp_tf.data import Normalization, load_dataset, random_part
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    rows = read_rows(options.rows)
    chosen = options.only.split(",") if options.only else list(rows)
    if unknown := [key for key in chosen if key not in rows]:
        parser.error(f"--only must be of {', '.join(rows)}, but got {', '.join(unknown)}.")
    results = Results(options.results, program="ablations", arguments=arguments)
    start, plain = (
        find_reference(path, backbone=options.backbone)
        for path in (options.reference, options.plain_reference)
    )
    shape = start.backbone.input_shape
    learnt_on = load_dataset(options.cifar100, image_shape=shape)
    parts: dict[tuple[str, int], Any] = {}
    for target in TARGETS:
        dataset = load_dataset(getattr(options, target), image_shape=shape)
        # Some signs are rare in the test images: as many of each class would be few.
        test = random_part(dataset.test, options.test_size, seed=0)
        for seed in options.seeds:
            train = dataset.train.subset(
                options.train_size // dataset.num_classes * dataset.num_classes, seed=seed
            )
            parts[target, seed] = dataclasses.replace(dataset, train=train, test=test)

    for row in (rows[key] for key in chosen):
        begun_at = fingerprint(plain if row.train == "budgets" else start)
        cases = [
            {"row": row.key, "target": target, "max_flops": budget, "start": begun_at, "seed": seed}
            | {
                "train_size": options.train_size,
                "test_size": options.test_size,
                "settings": dict(row.settings),
            }
            for seed, target, budget in product(options.seeds, TARGETS, options.budgets)
        ]
        todo = [case for case in cases if results.figures(case) is None]
        if not todo:
            continue
        print(f"{row.key}: {row.ablation}, {row.title}", flush=True)
        reference = trained(row, learnt_on, options.folder, start=start, plain=plain, on_step=_report)
        evaluate = MaskedAccuracy(reference)
        scores = {key: scores_for(reference, part, seed=key[1]) for key, part in parts.items()}
        for case in todo:
            target, seed, budget = case["target"], case["seed"], Budget(max_flops=case["max_flops"])
            part = parts[target, seed]
            other = next(name for name in TARGETS if name != target)
            masks = {
                "own": reference.cut.meet(scores[target, seed], budget),
                "swapped": reference.cut.meet(scores[other, seed], budget),
                "static": reference.cut.meet(reference.scores, budget),
            }
            normalization = Normalization.of(part.train)
            accuracies = {
                name: evaluate(mask, part.train, part.test, normalization=normalization)
                for name, mask in masks.items()
            }
            if row.epochs_prune:
                accuracies = {
                    "own": accuracy_after_steps(row, reference, part, max_flops=case["max_flops"], seed=seed)
                }
            figures: dict[str, Any] = {**accuracies, "ablation": row.ablation, "title": row.title}
            if not row.epochs_prune:
                own, swapped = masks["own"].kept, masks["swapped"].kept
                figures["iou"] = float((own & swapped).sum() / (own | swapped).sum())
            results.add(case, figures, seed=seed)
            print(f"{row.key}, {target}, {seed}, {case['max_flops']:g}: {accuracies}", flush=True)


def _report(done: int, num_steps: int, _: Any) -> None:
    """Print how far a training is, now and then."""
    if done % max(1, num_steps // 20) == 0:
        print(f"  {done} of {num_steps} steps", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
