"""Measure everything that the page of this folder shows, one program after another.

    python benchmarks/evidence/run.py --cifar10 npz:data/cifar10.npz --gtsrb npz:data/gtsrb32.npz \\
        --cifar100 npz:data/cifar100.npz
    python benchmarks/evidence/run.py --cifar10 ... --gtsrb ... --only sources_rate

The experiments stand in `cases.toml`. An experiment whose data set is not given is skipped, and so is one that an
earlier commit alone can repeat. What was recorded is not measured again, so the command can be stopped with Ctrl-C and
started anew. `render.py` writes the page.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER.parent
DATASETS = ("cifar10", "gtsrb", "cifar100")
PLACEHOLDERS = (*DATASETS, "plain", "wide", "folder")


def missing(experiment: Mapping[str, Any], given: Mapping[str, str | None]) -> list[str]:
    """Return the placeholders of an experiment that nothing is given for.

    Args:
        experiment: Its entry in the file of cases.
        given: What stands for each placeholder.
    """
    named = re.findall(r"\{(\w+)\}", " ".join(experiment["arguments"]))
    return [name for name in dict.fromkeys(named) if not given.get(name)]


def command(experiment: Mapping[str, Any], given: Mapping[str, str | None], *, results: Path) -> list[str]:
    """Return what runs an experiment.

    Args:
        experiment: Its entry in the file of cases.
        given: What stands for each placeholder.
        results: The file it records to.
    """
    arguments = [argument.format(**given) for argument in experiment["arguments"]]
    program = PROGRAMS / f"{experiment['program']}.py"
    return [sys.executable, str(program), *arguments, "--results", str(results)]


def main(arguments: Sequence[str]) -> int:
    """Run the chosen experiments; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in DATASETS:
        parser.add_argument(f"--{name}", help="the data set, as after `stamp-tf prune --dataset`")
    parser.add_argument(
        "--plain",
        default=str(PROGRAMS / "references" / "vgg19-plain.npz"),
        help="reference trained without budgets",
    )
    parser.add_argument(
        "--wide", default=str(PROGRAMS / "references" / "vgg19-half.npz"), help="reference of width 0.5"
    )
    parser.add_argument("--folder", default="runs", help="where experiments that train keep their runs")
    parser.add_argument("--only", help="names of experiments, separated by commas; default: all")
    parser.add_argument("--cases", type=Path, default=FOLDER / "cases.toml")
    parser.add_argument("--results", type=Path, default=FOLDER / "results", help="folder of the records")
    options = parser.parse_args(arguments)
    cases = tomllib.loads(options.cases.read_text())
    chosen = options.only.split(",") if options.only else list(cases)
    if unknown := [name for name in chosen if name not in cases]:
        parser.error(f"--only must be of {', '.join(cases)}, but got {', '.join(unknown)}.")
    given = {name: getattr(options, name) for name in PLACEHOLDERS}
    failed = []
    for name in chosen:
        if commit := cases[name].get("at"):
            print(f"{name}: skipped, commit {commit} can repeat it", flush=True)
            continue
        if absent := missing(cases[name], given):
            print(f"{name}: skipped, give {' and '.join(f'--{one}' for one in absent)}", flush=True)
            continue
        print(f"{name}: {cases[name]['title']}", flush=True)
        call = command(cases[name], given, results=options.results / f"{name}.jsonl")
        try:
            if subprocess.run(call, check=False).returncode:
                failed.append(name)
        except KeyboardInterrupt:
            print(f"{name}: stopped; the same command goes on behind what was recorded", flush=True)
            return 130
    if failed:
        print(f"failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
