"""Write README.md and the plots of this folder from the raw results.

    python benchmarks/evidence/render.py

Reads `cases.toml`, `page.md.j2` and `results/*.jsonl`; computes nothing but means, deviations and differences. Plots
need matplotlib: `pip install stamp-tf[benchmarks]`.
"""

import argparse
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined

sys.path.insert(0, str(Path(__file__).parents[1]))

from library.ablation_tables import ablation_table
from library.curve_tables import plot_time_curves, time_curve_tables
from library.origin import made_with, with_footnote
from library.plots import plot_sources
from library.recipe_tables import recipe_tables
from library.results import Record, read_results
from library.source_tables import source_tables
from library.suite_tables import attempts_table, suite_tables
from library.swap_tables import swap_table

FOLDER = Path(__file__).parent
REFITS = FOLDER.parent / "results"

TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "suite": suite_tables,
    "pruning_cost": source_tables,
    "time_curves": time_curve_tables,
    "ablations": ablation_table,
    "recipes": recipe_tables,
}
PLOTS: dict[str, Callable[[Sequence[Record], Path], None]] = {
    "pruning_cost": plot_sources,
    "time_curves": plot_time_curves,
}


def page(template: Path, results: Path, *, cases: Path, plots: Path) -> str:
    """Return the whole page and draw its plots.

    Args:
        template: The page with places for tables and plots.
        results: The folder of raw results.
        cases: The file of experiments.
        plots: The folder that the plots go to; the page names it by its last part.
    """
    experiments = tomllib.loads(cases.read_text())
    records = {name: read_results(results / f"{name}.jsonl") for name in experiments}

    def tables(name: str) -> str:
        return TABLES[experiments[name]["program"]](records[name])

    def plot(name: str) -> str:
        draw = PLOTS.get(experiments[name]["program"])
        if draw is None:
            return ""
        draw(records[name], plots / f"{name}.png")
        return f"![{experiments[name]['title']}]({plots.name}/{name}.png)"

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    text = environment.from_string(template.read_text()).render(
        recorded=[name for name in experiments if records[name]],
        missing=[name for name in experiments if not records[name]],
        title=lambda name: experiments[name]["title"],
        tables=tables,
        plot=plot,
        attempts=lambda: attempts_table(read_results(results / "suite_attempts.jsonl")),
        swaps=lambda: swap_table(
            [*read_results(REFITS / "refit.jsonl"), *read_results(REFITS / "refit_bundled.jsonl")]
        ),
        made_with=lambda name: made_with(records[name]),
    )
    return with_footnote(text)


def main(arguments: Sequence[str]) -> None:
    """Read the results and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--template", type=Path, default=FOLDER / "page.md.j2")
    parser.add_argument("--cases", type=Path, default=FOLDER / "cases.toml")
    parser.add_argument("--results", type=Path, default=FOLDER / "results")
    parser.add_argument("--output", type=Path, default=FOLDER / "README.md")
    options = parser.parse_args(arguments)
    text = page(options.template, options.results, cases=options.cases, plots=options.output.parent / "plots")
    options.output.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
