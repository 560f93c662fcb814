"""Does the set matter? Masks made for a task against masks of other tasks and the learnt order, on small tasks.

    python benchmarks/suite.py --cifar10 npz:data/cifar10.npz --gtsrb npz:data/gtsrb32.npz
    python benchmarks/suite.py --cifar10 ... --gtsrb ... --svhn npz:data/svhn.npz --suite final

Every task is cut out of a larger set (2 to 20 classes, 100 to 1,000 images). Accuracy is that of the masked
network with recalibrated statistics and a head in closed form, no gradient step; with `--refit` kernels are refitted
on the task's images, with `--epochs` the network is trained from there. Methods:

    static          the reference's learnt scores, which know no target
    own             the scores that the reference proposes for the task's images
    own-in-static   the task's best channels, as many per layer as the learnt order keeps: a gain that is left
                    here is one of the choice, and not of widths that suit the task
    swapped         scores proposed for another task of as many classes from the same source, and of another
                    source; the mean of both
    l1              L1 norms of the reference's weights in uniform widths
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.own_plugins import own_plugins
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "evidence" / "results"
BUDGETS = (0.25, 0.1, 0.05, 0.03)
METHODS = ("static", "own", "own-in-static", "swapped")
L1 = "l1"


def donors(place: int, tasks: Sequence[Any]) -> list[int]:
    """Return the tasks whose masks are tried on another: of its source, and of another one.

    Args:
        place: The task that gets them.
        tasks: All tasks.
    """
    task = tasks[place]
    # Beginning behind the task itself, so that all serve as donors about equally often.
    others = [(place + step) % len(tasks) for step in range(1, len(tasks))]
    alike = [o for o in others if tasks[o].row.source == task.row.source and tasks[o].classes != task.classes]
    foreign = [o for o in others if tasks[o].row.source != task.row.source]

    def nearest(candidates: list[int]) -> list[int]:
        return sorted(candidates, key=lambda o: abs(tasks[o].row.ways - task.row.ways))[:1]

    return nearest(alike) + nearest(foreign)


def in_widths(scores: Any, mask: Any, groups: Sequence[Any]) -> Any:
    """Return the mask of the best channels by `scores`, as many of every group as `mask` keeps."""
    import numpy as np

    from stamp_tf.channel_mask import ChannelMask

    chosen = np.zeros(len(mask))
    for group in groups:
        best = np.argsort(-scores[group.slice], kind="stable")[: int(mask.kept[group.slice].sum())]
        chosen[group.start + best] = 1.0
    return ChannelMask(chosen)


@own_plugins()
def main(arguments: Sequence[str]) -> None:
    """Run every case that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for source in ("cifar10", "gtsrb", "svhn"):
        parser.add_argument(f"--{source}", help="the data set, as after `stamp-tf prune --dataset`")
    parser.add_argument("--suite", choices=("development", "final"), default="development")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--from", dest="reference", help="reference; default: the bundled one")
    parser.add_argument(
        "--budgets", type=lambda t: tuple(float(part) for part in t.split(",")), default=BUDGETS
    )
    parser.add_argument("--methods", type=lambda t: tuple(t.split(",")), default=METHODS)
    parser.add_argument("--refit", action="store_true", help="refit kernels on the task's images")
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning")
    parser.add_argument("--few", action="store_true", help="leave out tasks of many classes")
    parser.add_argument("--per-row", type=int, help="only so many tasks of each kind; all serve as donors")
    parser.add_argument("--test-size", type=int, default=600, help="largest number of images to test on")
    parser.add_argument("--results", type=Path, help="default: evidence/results/suite_PART.jsonl")
    options = parser.parse_args(arguments)

    from library.masked_accuracy import MaskedAccuracy
    from library.simpler_references import scores_for
    from library.sliced_accuracy import sliced_accuracy
    from library.target_tasks import draw_tasks
    from stamp_tf.baselines.l1 import l1_norms
    from stamp_tf.baselines.uniform import uniform_scores
    from stamp_tf.channels import Budget, ChannelCut, CostModel
    from stamp_tf.data import Normalization, load_dataset
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint

    path = options.results or RESULTS / f"suite_{options.suite}.jsonl"
    results = Results(path, program="suite", arguments=arguments)
    reference = find_reference(options.reference, backbone=options.backbone)
    if reference.scores is None:
        parser.error("--from must be a reference with a learnt order, but has none; train it at budgets.")
    shared = {
        "suite": options.suite,
        "backbone": reference.backbone.name,
        "reference": fingerprint(reference),
        "test_size": options.test_size,
    }
    # Named where they are not what they were when the first records were made.
    shared |= {name: getattr(options, name) for name in ("refit", "epochs") if getattr(options, name)}
    datasets = {
        source: load_dataset(getattr(options, source), image_shape=reference.backbone.input_shape)
        for source in ("cifar10", "gtsrb", "svhn")
        if getattr(options, source)
    }
    if not datasets:
        parser.error("give at least one of --cifar10, --gtsrb and --svhn.")
    tasks = draw_tasks(datasets, options.suite, test_size=options.test_size)
    evaluate = MaskedAccuracy(reference)
    groups = reference.channel_map.groups
    proposed: dict[int, Any] = {}
    cuts: dict[int, ChannelCut] = {}

    def scores_of(place: int) -> Any:
        if place not in proposed:
            proposed[place] = scores_for(reference, tasks[place].dataset, seed=0)
        return proposed[place]

    for place, task in enumerate(tasks):
        ways = task.row.ways
        if (options.few and not task.is_few) or (options.per_row and task.index >= options.per_row):
            continue
        if ways not in cuts:
            model = reference.backbone.build(num_classes=ways)
            cuts[ways] = ChannelCut(reference.channel_map, CostModel(model, reference.channel_map))
        normalization = Normalization.of(task.dataset.train)
        for max_flops in options.budgets:
            budget = Budget(max_flops=max_flops)
            static = cuts[ways].meet(reference.scores, budget)
            known: dict[Any, float] = {}

            def accuracy(
                mask: Any, task: Any = task, normalization: Any = normalization, known: Any = known
            ) -> float:
                if mask not in known:
                    known[mask] = (
                        sliced_accuracy(
                            reference, task.dataset, mask, refit=options.refit, epochs=options.epochs
                        )
                        if options.refit or options.epochs
                        else evaluate(
                            mask, task.dataset.train, task.dataset.test, normalization=normalization
                        )
                    )
                return known[mask]

            for method in options.methods:
                case = shared | {"task": task.name, "max_flops": max_flops, "method": method}
                if results.figures(case) is not None:
                    continue
                if method == "static":
                    masks = [static]
                elif method == "own":
                    masks = [cuts[ways].meet(scores_of(place), budget)]
                elif method == "own-in-static":
                    masks = [in_widths(scores_of(place), static, groups)]
                elif method == L1:
                    norms = l1_norms(reference.model, reference.channel_map)
                    masks = [cuts[ways].meet(uniform_scores(reference.channel_map, norms), budget)]
                else:
                    masks = [cuts[ways].meet(scores_of(donor), budget) for donor in donors(place, tasks)]
                figures = {
                    "accuracy": sum(map(accuracy, masks)) / len(masks),
                    "source": task.row.source,
                    "ways": ways,
                    "train_size": task.row.train_size,
                    "changed_channels": [int((mask.kept != static.kept).sum()) for mask in masks],
                    "reference_name": without_folders(str(options.reference or "bundled")),
                }
                results.add(case, figures, seed=0)
                print(f"{task.name}, {max_flops:g}, {method}: {figures['accuracy']:.3f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
