"""Which way of training a reference leaves the best small networks, judged on images that were held out of training.

    python benchmarks/recipes.py --cifar100 npz:data/cifar100.npz --cifar10 npz:data/cifar10.npz \\
        --gtsrb npz:data/gtsrb32.npz --folder runs/recipes

The rows stand in `evidence/recipes.toml`; each differs from a row before it in one thing. All are trained on the same
45,000 training images of CIFAR-100 and judged on the other 5,000, at every budget; then on CIFAR-10 and traffic signs
(1,000 training images, 2,000 others of the training part to judge on) with a head in closed form. No test image is
looked at. What was trained is kept in `--folder`, and training goes on from where it was stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.results import Results

EVIDENCE = Path(__file__).parent / "evidence"
TARGETS = ("cifar10", "gtsrb")
BUDGETS = (1.0, 0.5, 0.25, 0.1, 0.05)


def main(arguments: Sequence[str]) -> None:
    """Train and judge every row that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for target in TARGETS:
        parser.add_argument(
            f"--{target}", required=True, help="a target, as after `stamp-tf prune --dataset`"
        )
    parser.add_argument("--cifar100", required=True, help="what is trained on")
    parser.add_argument("--folder", type=Path, required=True, help="where the trained references are kept")
    parser.add_argument("--rows", type=Path, default=EVIDENCE / "recipes.toml")
    parser.add_argument("--only", help="names of rows, separated by commas; default: all")
    parser.add_argument(
        "--train-size", type=int, default=45000, help="images of CIFAR-100 that are trained on"
    )
    parser.add_argument("--target-size", type=int, default=1000, help="training images of a target")
    parser.add_argument("--budgets", type=lambda text: tuple(map(float, text.split(","))), default=BUDGETS)
    parser.add_argument("--seeds", type=lambda text: tuple(map(int, text.split(","))), default=(0,))
    parser.add_argument("--results", type=Path, default=EVIDENCE / "results" / "recipes.jsonl")
    options = parser.parse_args(arguments)

    from library.recipes import Judge, read_recipes, split_training, trained_by
    from stamp_tf.data import load_dataset

    recipes = read_recipes(options.rows)
    chosen = options.only.split(",") if options.only else list(recipes)
    if unknown := [key for key in chosen if key not in recipes]:
        parser.error(f"--only must be of {', '.join(recipes)}, but got {', '.join(unknown)}.")
    results = Results(options.results, program="recipes", arguments=arguments)
    whole = load_dataset(options.cifar100, image_shape=(32, 32, 3))
    targets = {name: load_dataset(getattr(options, name), image_shape=(32, 32, 3)) for name in TARGETS}
    for seed in options.seeds:
        judge = Judge(targets, train_size=options.target_size, seed=seed)
        dataset = split_training(whole, options.train_size, seed=seed)
        for recipe in (recipes[key] for key in chosen):
            case = {
                "row": recipe.key,
                "train_size": options.train_size,
                "target_size": options.target_size,
                "settings": dict(recipe.settings),
                "seed": seed,
            }
            if results.figures(case) is not None:
                continue
            print(f"{recipe.key}: {recipe.title}", flush=True)
            reference = trained_by(
                recipe, recipes, dataset, folder=options.folder, seed=seed, on_step=_report
            )
            figures: dict[str, Any] = {"title": recipe.title, "group": recipe.group}
            figures |= judge(reference, dataset, budgets=options.budgets)
            results.add(case, figures, seed=seed)
            print(f"{recipe.key}, {seed}: {figures}", flush=True)


def _report(done: int, num_steps: int, _: Any) -> None:
    """Print how far a training is, now and then."""
    if done % max(1, num_steps // 20) == 0:
        print(f"  {done} of {num_steps} steps", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
