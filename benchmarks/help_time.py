"""Wall time of `stamp-tf --help`: what every first contact with the command line costs.

python benchmarks/help_time.py
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from library.launcher import launcher
from library.results import Results

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str]) -> None:
    """Call the command so many times, after one call that warms the disk's cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--results", type=Path, default=RESULTS / "help_time.jsonl")
    options = parser.parse_args(arguments)
    results = Results(options.results, program="help_time", arguments=arguments)
    case = {"command": "stamp-tf --help", "repeats": options.repeats}
    if results.figures(case) is not None:
        print(f"already measured: {case}")
        return
    seconds = []
    for _ in range(options.repeats + 1):
        started = time.perf_counter()
        subprocess.run([*launcher(), "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    figures = {
        "seconds": seconds[1:],
        "seconds_median": median(seconds[1:]),
        "installed": len(launcher()) == 1,
    }
    results.add(case, figures, seed=0)
    print(f"stamp-tf --help: {figures['seconds_median']:.3f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
