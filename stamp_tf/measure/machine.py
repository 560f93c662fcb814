"""What a figure was measured on: hardware, versions of packages, state of the code.

TensorFlow is asked about threads and graphics cards only where the program has loaded it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("stamp-tf", "tensorflow", "keras", "numpy")


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, threads, memory in GiB, graphics cards and the load right now."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    description: dict[str, Any] = {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": cores,
        "threads": cores,
        "system": platform.system(),
    }
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        description["memory_gib"] = round(pages / 2**30, 1)
    if hasattr(os, "getloadavg"):
        description["load_average"] = round(os.getloadavg()[0], 2)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        threads = tensorflow.config.threading.get_intra_op_parallelism_threads()
        description["threads"] = threads or int(os.environ.get("TF_NUM_INTRAOP_THREADS", "0")) or cores
        cards = tensorflow.config.list_physical_devices("GPU")
        details = [tensorflow.config.experimental.get_device_details(card) for card in cards]
        description["gpus"] = [detail.get("device_name", "GPU") for detail in details]
    return description


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that the figures depend on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # a build of TensorFlow under another name
            versions[package] = "unknown"
    return versions


def describe_code() -> dict[str, Any]:
    """Return the git commit, and whether tracked files differ from it; empty outside of a repository."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD")[:7],
            "modified": bool(git("status", "-s", "-uno")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {}
