"""Learn a gain and a shift per layer by which masks follow the remaining errors of a set, and write the reference.

    python benchmarks/gains.py --dataset npz:data/cifar100.npz --output runs/gains.npz
    python benchmarks/gains.py --dataset npz:data/cifar100.npz --output runs/fixed.npz --steps 0 --gain 0.3

The set encoder `images` and the mask generator `remaining-errors` are plug-ins of the benchmarks. What the reference
is worth on small tasks is measured by `suite.py --from`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from library.own_plugins import own_plugins
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"
BUDGETS = (0.03, 0.5)


@own_plugins()
def main(arguments: Sequence[str]) -> None:
    """Train, write the reference and a record of the gains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", required=True, help="what the reference was trained on")
    parser.add_argument("--output", type=Path, required=True, help="file of the new reference")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--from", dest="reference", help="reference; default: the bundled one")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--gain", type=float, default=0.0, help="first value of every gain")
    parser.add_argument("--shift", type=float, default=0.0, help="first value of every shift")
    parser.add_argument("--without-shifts", action="store_true", help="leave shifts as they are")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS / "gains.jsonl")
    options = parser.parse_args(arguments)

    from dataclasses import replace

    from library.gain_training import learn_gains, usual_errors
    from stamp_tf.data import load_dataset
    from stamp_tf.references.find import find_reference
    from stamp_tf.references.fingerprint import fingerprint
    from stamp_tf.references.reference_file import save_reference

    results = Results(options.results, program="gains", arguments=arguments)
    start = find_reference(options.reference, backbone=options.backbone)
    case = {
        "reference": fingerprint(start),
        "dataset": without_folders(options.dataset),
        **{name: getattr(options, name) for name in ("steps", "rate", "gain", "shift", "seed")},
    }
    if options.without_shifts:
        case["without_shifts"] = True
    if results.figures(case) is not None and options.output.exists():
        print("everything is measured already")
        return
    dataset = load_dataset(options.dataset, image_shape=start.backbone.input_shape)
    given = {
        "gain": options.gain,
        "shift": options.shift,
        "learns_shifts": not options.without_shifts,
    }
    parts = {"set_encoder": ("images", {})}
    usual = usual_errors(
        start.with_new_layers(**parts, mask_generator=("remaining-errors", given)), dataset, seed=options.seed
    )
    reference = start.with_new_layers(**parts, mask_generator=("remaining-errors", given | {"usual": usual}))
    history = []

    def on_step(number: int, figures: dict[str, float]) -> None:
        history.append(figures)
        if number % 10 == 0:
            print(number, *(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)

    learn_gains(
        reference,
        dataset,
        steps=options.steps,
        rate=options.rate,
        budgets=BUDGETS,
        seed=options.seed,
        on_step=on_step,
    )
    description = {**reference.description, "gains": case}
    save_reference(replace(reference, description=description), options.output)
    generator = reference.mask_generator.layer
    figures = {
        "layers": [group.name for group in reference.channel_map.groups],
        "gains": [float(value) for value in generator.gains.numpy()],
        "shifts": [float(value) for value in generator.shifts.numpy()],
        "usual": usual,
        "history": history,
        "result": fingerprint(reference),
    }
    results.add(case, figures, seed=options.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
