"""Test accuracy over seconds of training on CIFAR-10, of the full network and of pruned ones.

    python benchmarks/time_curves.py --cifar10 npz:data/cifar10.npz
    python benchmarks/time_curves.py --cifar10 npz:data/cifar10.npz --train-size 10000 --methods full,stamp

Methods take turns in pieces of an epoch, so that a slow minute of the machine hits all alike. Seconds are those of
training alone and include all before the first step (mask, slicing, statistics, head); compiling the step and testing
are left out. A point's seconds also hold one recalibration of statistics, as if training had ended there.
`static` is the reference's learnt order, which knows no target. `--plain-reference FILE` gives random and L1
another start. `--pruned-epochs` gives pruned networks more epochs than the full one, so that all end at about the
same time: a cosine that ends early cannot use the time that is left. A killed program goes on from the last round in
`--state`.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from library.results import UNNAMED_RATE, Results, without_folders

RESULTS = Path(__file__).parent / "evidence" / "results"
METHODS = ("full", "stamp", "static", "l1", "random")
FROM_PLAIN = ("l1", "random")


def main(arguments: Sequence[str]) -> None:
    """Train the methods that have no record yet, in turns, and record their curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True, help="the data set, as after `stamp-tf prune --dataset`")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--from", dest="reference", help="reference to prune; default: the bundled one")
    parser.add_argument("--plain-reference", help="where l1 and random start; default: the same")
    parser.add_argument("--methods", type=lambda text: tuple(text.split(",")), default=METHODS)
    parser.add_argument("--max-flops", type=float, default=0.25)
    parser.add_argument("--train-size", type=int, help="default: all images")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--pruned-epochs", type=int, help="of pruned methods, a multiple of --epochs; default: as many"
    )
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--pieces", type=int, default=4, help="of an epoch, with a test after each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test-size", type=int, help="test on fewer images, to try the program out")
    parser.add_argument("--results", type=Path, default=RESULTS / "time_curves.jsonl")
    parser.add_argument("--state", type=Path, help="where a killed run goes on; default: beside the results")
    options = parser.parse_args(arguments)
    if unknown := set(options.methods) - set(METHODS):
        parser.error(f"--methods must be of {', '.join(METHODS)}, but got {', '.join(sorted(unknown))}.")
    if options.epochs < 1 or options.pieces < 1:
        parser.error(f"--epochs and --pieces must be 1 or more, but are {options.epochs}, {options.pieces}.")
    pruned_epochs = options.epochs if options.pruned_epochs is None else options.pruned_epochs
    if pruned_epochs < 1 or pruned_epochs % options.epochs:
        parser.error(
            f"--pruned-epochs must be a multiple of --epochs {options.epochs}, but is {pruned_epochs}."
        )

    from library.curve import prepared, restored
    from library.measured_pruning import warm_up
    from stamp_tf.data import load_dataset
    from stamp_tf.options.finetune import FinetuneConfig
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint
    from stamp_tf.storage.checkpoints import load_last_step, save_step

    results = Results(options.results, program="time_curves", arguments=arguments)
    folder = options.state or options.results.with_suffix(".state")
    reference = find_reference(options.reference, backbone=options.backbone)
    plain = reference
    if options.plain_reference is not None:
        plain = find_reference(options.plain_reference, backbone=options.backbone)
    if {reference.backbone.name, plain.backbone.name} != {options.backbone}:
        parser.error(f"--backbone must be the references', but got {options.backbone}; check --from.")
    if "static" in options.methods and reference.scores is None:
        parser.error("--methods static needs a reference with learnt scores; leave it out or check --from.")
    starts = {method: plain if method in FROM_PLAIN else reference for method in options.methods}
    dataset = load_dataset(options.cifar10, image_shape=reference.backbone.input_shape)
    if options.train_size is not None:
        train = dataset.train.subset(options.train_size, seed=options.seed)
        dataset = dataclasses.replace(dataset, train=train)
    if options.test_size is not None:
        dataset = dataclasses.replace(dataset, test=dataset.test.subset(options.test_size, seed=0))
    num_steps = max(1, len(dataset.train) // FinetuneConfig.batch_size)
    if options.pieces > num_steps:
        parser.error(f"--pieces must be at most the {num_steps} steps of an epoch, but is {options.pieces}.")
    cases = {
        method: {
            "dataset": "cifar10",
            "train_size": len(dataset.train),
            "method": method,
            "max_flops": 1.0 if method == "full" else options.max_flops,
            "epochs": options.epochs if method == "full" else pruned_epochs,
            "pieces": options.pieces,
            "backbone": options.backbone,
            "reference": fingerprint(start),
            "seed": options.seed,
            "test_size": options.test_size,
        }
        for method, start in starts.items()
    }
    if options.learning_rate != UNNAMED_RATE:
        cases = {method: case | {"learning_rate": options.learning_rate} for method, case in cases.items()}
    if pruned_epochs != options.epochs:
        # Says which curves belong together where their own epochs do not.
        cases = {method: case | {"full_epochs": options.epochs} for method, case in cases.items()}
    todo = [method for method, case in cases.items() if results.figures(case) is None]
    print(f"{len(todo)} curves to measure")
    if not todo:
        remove(folder)
        return
    state = load_last_step(folder)
    if state is not None:
        # A kill while records are written leaves some of the state's methods done: all go on, the rest is written.
        running = list(state[1]["cases"])
        if not set(todo) <= set(running) or any(state[1]["cases"][m] != cases.get(m) for m in running):
            parser.error(
                f"--state must be of the same run, but {folder} is of another; remove it or name another."
            )
    else:
        running = todo
    for start in {id(start): start for start in starts.values()}.values():
        warm_up(start, dataset)
    curves = [
        prepared(cases[method], starts[method], dataset)
        if state is None
        else restored(cases[method], starts[method], dataset, state=state, path=folder)
        for method in running
    ]

    def save(turn: int) -> None:
        arrays = {name: value for curve in curves for name, value in curve.arrays().items()}
        figures = {curve.method: curve.figures for curve in curves}
        save_step(
            folder,
            turn,
            arrays=arrays,
            metadata={"cases": {m: cases[m] for m in running}, "figures": figures},
        )

    for curve in curves:
        curve.compile_step()
    done = 0 if state is None else state[1]["step"]
    if state is None:
        save(0)
    for turn in range(done, options.epochs * options.pieces):
        # There and back again, so that nobody always follows the same method.
        for curve in curves if turn % 2 == 0 else reversed(curves):
            per_turn = curve.case["epochs"] // options.epochs
            for piece in range(turn * per_turn, (turn + 1) * per_turn):
                curve.train(piece)
            point = curve.figures["points"][-1]
            print(
                f"{curve.method}, epoch {point['epoch']:.2f}: {point['accuracy']:.4f} at {point['seconds']:.1f} s",
                flush=True,
            )
        save(turn + 1)
    for curve in curves:
        if curve.method in todo:
            source = options.plain_reference if curve.method in FROM_PLAIN else None
            name = without_folders(str(source or options.reference or "bundled"))
            figures = {**curve.figures, "reference_name": name, "took_turns_with": running}
            results.add(curve.case, figures, seed=options.seed)
    remove(folder)


def remove(folder: Path) -> None:
    """Remove a finished run's states, and their folder if nothing else lies in it."""
    for file in folder.glob("step-*.npz"):
        file.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


if __name__ == "__main__":
    main(sys.argv[1:])
