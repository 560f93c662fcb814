"""Write benchmarks/README.md from the raw results.

    python benchmarks/render.py

Reads `benchmarks/results/*.jsonl` and nothing else; computes nothing but means, deviations and differences. Plots go to
`benchmarks/plots`; they need matplotlib.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from library.auto_tables import auto_table
from library.batch_norm_tables import batch_norm_table
from library.coverage_table import coverage_table
from library.deployment_tables import deployment_tables
from library.distillation_tables import distillation_table
from library.head_tables import head_table
from library.layer_tables import layer_table
from library.origin import made_with, with_footnote
from library.other_tables import (
    exactness_table,
    help_time_table,
    masks_iou_table,
    meta_step_table,
    shrink_cost_table,
    speed_table,
    training_step_table,
)
from library.peer_accuracy_tables import peer_accuracy_table
from library.peer_tables import peer_tables
from library.pruning_tables import pruning_tables
from library.rate_tables import rate_table
from library.refit_plot import plot_refits
from library.refit_tables import refit_table
from library.removal_plot import plot_removal
from library.removal_tables import removal_table
from library.results import Record, read_results
from library.worker_tables import worker_table

FOLDER = Path(__file__).parent

SECTIONS: dict[str, tuple[str, Callable[[Sequence[Record]], str]]] = {
    "pruning_cost": ("Accuracy and time on small sets", pruning_tables),
    "heads": ("The last layer, fitted", head_table),
    "rates": ("The rate of fine-tuning", rate_table),
    "meta_step": ("The meta step against a plain training step", meta_step_table),
    "training_step": ("A training step, and one at budgets", training_step_table),
    "refit": ("Networks that were not trained to be cut", refit_table),
    "peers_accuracy": ("The accuracy that is left, beside torch-pruning", peer_accuracy_table),
    "refit_bundled": ("The bundled reference, refitted", refit_table),
    "distillation": ("The full network as a teacher", distillation_table),
    "batch_norm": ("Statistics of batches, and frozen ones", batch_norm_table),
    "auto": ("Which way: `--method auto`", auto_table),
    "shrink_cost": ("What shrinking a large network takes", shrink_cost_table),
    "deployment": ("Files for phones and servers", deployment_tables),
    "speed": ("Measured speed-up", speed_table),
    "coverage": ("What of a network can lose channels", coverage_table),
    "removal_speed": ("What removing channels is worth", removal_table),
    "layer_times": ("Why the measured speed-up lags", layer_table),
    "peers": ("Beside torch-pruning", peer_tables),
    "masks_iou": ("Do masks depend on the data set?", masks_iou_table),
    "exactness": ("Masked is sliced; a budget is kept", exactness_table),
    "workers": ("Several processes against one", worker_table),
    "help_time": ("`stamp-tf --help`", help_time_table),
}

PLOTS: dict[str, Callable[[Sequence[Record], Path], None]] = {
    "refit": plot_refits,
    "removal_speed": plot_removal,
}


def page(results: Path, plots: Path | None = None) -> str:
    """Return the whole page.

    Args:
        results: The folder of raw results.
        plots: The folder to draw plots into, beside the page; None draws none and leaves them out.
    """
    parts = [
        "# Benchmarks",
        "Programs measure and append raw JSON lines to `results/`, each with its command, hardware, versions, seed, "
        "date and commit; a case that is there is not measured again. This page is written from those files by "
        "`python benchmarks/render.py`. Where masks pay and where not stands in "
        "[evidence/](evidence/README.md). Data sets are given as after `stamp-tf prune --dataset`; of paths that led "
        "out of the repository the last two parts are shown.",
    ]
    for name, (title, render) in SECTIONS.items():
        records = read_results(results / f"{name}.jsonl")
        if records:
            parts += [f"## {title}", render(records)]
            if name in PLOTS and plots is not None:
                PLOTS[name](records, plots / f"{name}.png")
                parts.append(f"![{title}]({plots.name}/{name}.png)")
            parts.append(made_with(records))
    if (results / "set_encoder_memory.md").exists():
        parts += [
            "## Memory of the set encoders",
            "See [results/set_encoder_memory.md](results/set_encoder_memory.md).",
        ]
    if (results / "kills.md").exists():
        parts += ["## Kills that runs survive", "See [results/kills.md](results/kills.md)."]
    return with_footnote("\n\n".join(parts) + "\n")


def main(arguments: Sequence[str]) -> None:
    """Read the results and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--results", type=Path, default=FOLDER / "results")
    parser.add_argument("--output", type=Path, default=FOLDER / "README.md")
    options = parser.parse_args(arguments)
    options.output.write_text(page(options.results, options.output.parent / "plots"))


if __name__ == "__main__":
    main(sys.argv[1:])
