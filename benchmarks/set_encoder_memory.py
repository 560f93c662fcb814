"""Peak memory and time of the set encoders on small and large sets.

    python benchmarks/set_encoder_memory.py           # measure; results/set_encoder_memory.jsonl
    python benchmarks/set_encoder_memory.py --table   # render;  results/set_encoder_memory.md

Every figure comes from a process of its own, with one thread and lowered priority: a peak cannot be reset.
The peak is the process's largest resident size; what it held before the first call (TensorFlow, the traced
graph, weights, images) is recorded beside it. The limit on memory ends a measurement that would take the
machine down.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "Set Transformer, ISAB (default)": ("set-transformer", {}),
    "Set Transformer, ISAB, all pixels": ("set-transformer", {"resolution": None}),
    "Set Transformer, SAB": ("set-transformer", {"num_inducing_points": 0}),
    "Deep Sets": ("deep-sets", {}),
    "Neural Statistician": ("neural-statistician", {}),
}
SIZES = (640, 10_240)
MODES = ("forward", "gradient")
IMAGE_SHAPE = (32, 32, 3)
SEED = 0
RESULTS = Path(__file__).parent / "results"


def peak_mib() -> float:
    """Largest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(case: str, size: int, mode: str) -> dict[str, Any]:
    """Run one case in this process.

    Args:
        case: A key of `CASES`.
        size: Number of images B.
        mode: "forward", or "gradient" for the gradient of a scalar with respect to all weights as well.

    Returns:
        Peak and baseline in MiB, seconds per call (median and minimum) and number of weights.
    """
    import keras
    import tensorflow as tf

    import stamp_registry

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(SEED)
    name, options = CASES[case]
    encoder = stamp_registry.load("stamp_tf.set_encoders", name)(**options)
    encoder.build((None, *IMAGE_SHAPE))
    # Drawn in place: a copy made on the way would hide what the call needs below an earlier peak.
    images = tf.raw_ops.StatelessRandomNormalV2(
        shape=(size, *IMAGE_SHAPE),
        key=tf.constant([SEED], "uint64"),
        counter=tf.constant([0, 0], "uint64"),
        alg=1,
    )
    state = [variable.value for variable in encoder.non_trainable_variables]

    @tf.function
    def forward(images: Any, weights: list[Any]) -> Any:
        return encoder.stateless_call(weights, state, images, training=False)[0]

    @tf.function
    def gradient(images: Any, weights: list[Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, _, losses = encoder.stateless_call(
                weights, state, images, training=True, return_losses=True
            )
            loss = tf.reduce_mean(outputs**2) + sum(losses)
        return tape.gradient(loss, weights)

    call = {"forward": forward, "gradient": gradient}[mode]
    weights = [tf.convert_to_tensor(variable.value) for variable in encoder.trainable_variables]
    call.get_concrete_function(images, weights)
    baseline = peak_mib()
    call(images, weights)
    seconds = []
    for _ in range(100 if size < 1000 else 5):
        start = time.perf_counter()
        call(images, weights)
        seconds.append(time.perf_counter() - start)
    return {
        "weights": encoder.count_params(),
        "baseline_mib": round(baseline, 1),
        "peak_mib": round(peak_mib(), 1),
        "seconds_median": statistics.median(seconds),
        "seconds_minimum": min(seconds),
        "calls": len(seconds),
    }


def this_machine() -> dict[str, Any]:
    """What the figures were measured on."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in information.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": platform.system(),
    }


def run(memory_limit_gib: float) -> None:
    """Measure every case in fresh processes and write one JSON object a line.

    Args:
        memory_limit_gib: Memory that one process may allocate.
    """
    RESULTS.mkdir(exist_ok=True)
    versions = {package: version(package) for package in ("tensorflow", "keras", "numpy")}
    common = {
        "hardware": this_machine(),
        "versions": {"python": platform.python_version(), **versions},
        "seed": SEED,
    }
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    lines = []
    for case in CASES:
        for size in SIZES:
            for mode in MODES:
                arguments = ["benchmarks/set_encoder_memory.py", "--measure", case, str(size), mode]
                done = subprocess.run(
                    ["nice", "-n", "10", sys.executable, *arguments, "--memory-limit", str(memory_limit_gib)],
                    cwd=Path(__file__).parents[1],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode == 0:
                    figures = json.loads(done.stdout.splitlines()[-1])
                else:
                    figures = {"failed": done.returncode, "reason": done.stderr.strip()[-300:]}
                record = {"case": case, "options": CASES[case][1], "images": size, "mode": mode, **figures}
                record |= {"threads": 1, "load_average": round(os.getloadavg()[0], 2)}
                record |= {"memory_limit_gib": memory_limit_gib, "command": ["python", *arguments], **common}
                lines.append(json.dumps(record))
                print(lines[-1][:240], flush=True)
    (RESULTS / "set_encoder_memory.jsonl").write_text("\n".join(lines) + "\n")


def table() -> str:
    """Render the recorded figures as Markdown."""
    records = [json.loads(line) for line in (RESULTS / "set_encoder_memory.jsonl").read_text().splitlines()]
    hardware, versions = records[0]["hardware"], records[0]["versions"]
    loads = [one["load_average"] for one in records]
    rows = [
        "# Memory and time of the set encoders",
        "",
        "One thread, images of 32x32x3, float32. MiB: peak of the process beyond what it held before the",
        "first call (images and graph included). Milliseconds: median per call (minimum).",
        "",
        "Measure with `python benchmarks/set_encoder_memory.py`, render with `--table` after it.",
        "",
        f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gib']} GiB, shared with "
        f"other work (load average {min(loads)} to {max(loads)}). Python {versions['python']}, TensorFlow",
        f"{versions['tensorflow']}, Keras {versions['keras']}. Seed {records[0]['seed']}.",
        "",
        "| encoder | weights | B | forward MiB | with gradient MiB | forward ms | with gradient ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        for size in SIZES:
            both = {one["mode"]: one for one in records if one["case"] == case and one["images"] == size}
            weights = [one["weights"] for one in both.values() if "weights" in one]
            cells = [case, f"{weights[0]:,}" if weights else "", f"{size:,}"]
            cells += [_memory(both[mode]) for mode in MODES] + [_time(both[mode]) for mode in MODES]
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _memory(record: dict[str, Any]) -> str:
    if "failed" in record:
        return f"over {record['memory_limit_gib']:g} GiB"
    return f"{record['peak_mib'] - record['baseline_mib']:,.0f}"


def _time(record: dict[str, Any]) -> str:
    if "failed" in record:
        return "-"
    return f"{1000 * record['seconds_median']:,.1f} ({1000 * record['seconds_minimum']:,.1f})"


def main() -> None:
    """Measure all, measure one, or render."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--measure", nargs=3, metavar=("CASE", "IMAGES", "MODE"), help="one case, in this process"
    )
    parser.add_argument("--table", action="store_true", help="render the recorded figures")
    parser.add_argument(
        "--memory-limit", type=float, default=12.0, metavar="GIB", help="per process, default 12"
    )
    options = parser.parse_args()
    if options.table:
        (RESULTS / "set_encoder_memory.md").write_text(table())
    elif options.measure:
        limit = int(options.memory_limit * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        case, size, mode = options.measure
        print(json.dumps(measure(case, int(size), mode)))
    else:
        run(options.memory_limit)


if __name__ == "__main__":
    main()
