"""A network of one's own, from images to files: the command's time, what each file is worth, the speed of `predict`.

    python benchmarks/deployment.py --model lite0.keras --dataset folder:photos --options "--max-flops 0.5"
    python benchmarks/deployment.py --model resnet8.h5 --dataset npz:data/cifar10.npz --options "..." --pictures 0

`stamp-tf prune` is called as a user calls it, and `stamp-tf export` for each format; `--method full` writes the full
network as LiteRT beside them. Files are then asked in one process, in turns: all test images, one image at a time, and
a hundred of them and of noise beside the Keras network. `predict` is called on copies of the folder's pictures, in turn
with Keras's own `predict` on its own reader. Measure on a machine that does nothing else.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from library.arguments import listed
from library.launcher import launcher
from library.results import Results, without_folders

RESULTS = Path(__file__).parent / "results"
FORMATS = ("litert", "litert-dynamic", "litert-int8", "onnx", "openvino")
FULL = "full, litert"
NUM_SHOWN = 100
_FULL_ALONE = ("max-flops", "finetune-epochs", "batch-size", "distill")

# What somebody would write who has the file, a folder of pictures and Keras.
_KERAS = """
import sys, keras
network = keras.models.load_model(sys.argv[1])
pictures = keras.utils.image_dataset_from_directory(
    sys.argv[2], labels=None, image_size=network.input_shape[1:3], batch_size=32, shuffle=False, verbose=0
)
print(network.predict(pictures, verbose=0).argmax(axis=1))
"""


def main(arguments: Sequence[str]) -> None:
    """Measure what has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="as after `stamp-tf prune --model`")
    parser.add_argument("--dataset", required=True, help="as after `stamp-tf prune --dataset`")
    parser.add_argument("--options", default="", help="others of `stamp-tf prune`, as one text")
    parser.add_argument("--formats", default=",".join(FORMATS), help="with commas between them")
    parser.add_argument("--pictures", type=int, default=1000, help="that predict is asked about; 0: none")
    parser.add_argument("--rounds", type=int, default=3, help="of predict")
    parser.add_argument("--seeds", type=listed(int), default=(), help="to repeat the whole command by")
    parser.add_argument("--folder", type=Path, default=Path("runs/deployment"), help="where the runs lie")
    parser.add_argument("--results", type=Path, default=RESULTS / "deployment.jsonl")
    options = parser.parse_args(arguments)
    results = Results(options.results, program="deployment", arguments=arguments)
    shared = {
        "network": Path(options.model).stem,
        "dataset": without_folders(options.dataset),
        "options": options.options,
    }
    pruned, full = options.folder / "pruned", options.folder / "full"
    stages = {
        "command": lambda: _prune(options, pruned),
        "files": lambda: _files(options, pruned, full),
        "predict": lambda: _predict(options, pruned),
        "seeds": lambda: _seeds(options),
    }
    for stage, measure in stages.items():
        if (stage == "predict" and not options.pictures) or (stage == "seeds" and not options.seeds):
            continue
        case = shared | {"stage": stage}
        if results.figures(case) is None:
            figures = measure()
            results.add(case, figures, seed=0)
            print(stage, figures, flush=True)


def _pruning(options: argparse.Namespace) -> list[str]:
    """Return the command that prunes the network for the data set, but for its options."""
    return [*launcher(), "prune", "--model", options.model, "--dataset", options.dataset]


def _prune(options: argparse.Namespace, run: Path) -> dict[str, Any]:
    """Time the whole command, and take its accuracies from its report."""
    seconds = _timed([*_pruning(options), *shlex.split(options.options), "--run-dir", str(run)])
    report = json.loads((run / "report.json").read_text())
    names = ("test_accuracy", "interval", "flops_fraction", "params_fraction", "peak_bytes")
    return {"seconds": seconds, "full": report["full"]} | {name: report[name] for name in names}


def _seeds(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the command comes to by other seeds; a run that is finished is taken as it is."""
    found: dict[str, Any] = {"seeds": list(options.seeds), "accuracies": [], "full": []}
    for seed in options.seeds:
        run = options.folder / f"seed-{seed}"
        command = [*_pruning(options), *shlex.split(options.options), "--seed", str(seed), "--no-speed"]
        _timed([*command, "--run-dir", str(run), *(["--resume"] if run.exists() else [])])
        report = json.loads((run / "report.json").read_text())
        found["accuracies"].append(report["test_accuracy"])
        found["full"].append(report["full"]["accuracy"])
    return found


def _files(options: argparse.Namespace, run: Path, full: Path) -> dict[str, Any]:
    """Write every format and return what each file is worth, by its name."""
    formats = options.formats.split(",")
    for name in formats:
        _timed([*launcher(), "export", str(run), "--format", name])
    if not (full / "report.json").exists():
        command = [*_pruning(options), "--method", "full", *_for_the_full_one(options.options)]
        command += ["--finetune-epochs", "0", "--no-speed"]
        _timed([*command, "--export", "litert", "--run-dir", str(full)])
    import stamp_tf
    from stamp_tf.measure.speed import INFERENCE, take_turns
    from stamp_tf.serving.counts import count_answers
    from stamp_tf.serving.load import load_exported

    report = json.loads((run / "report.json").read_text())
    sizes = {file["format"]: (file["path"], file["num_bytes"]) for file in report["files"]}
    paths = {name: run / path for name, (path, _) in sizes.items()} | {FULL: full / "model.tflite"}
    networks = {name: load_exported(path) for name, path in paths.items()}
    shape = networks["keras"].image_shape
    test = stamp_tf.load_dataset(options.dataset, image_shape=shape).test
    pictures, _ = next(iter(test.raw_batches(NUM_SHOWN, order_seed=0, drop_remainder=False)))
    # Of noise, which ranges of 8 bits were not made for, files may make something else than of pictures.
    shown = {
        "pictures": pictures,
        "noise": np.random.default_rng(0).integers(0, 256, (NUM_SHOWN, *shape), np.uint8),
    }
    wanted = {kind: networks["keras"](images) for kind, images in shown.items()}
    timings = {}
    # Threads of one runtime are still busy when another's turn comes: LiteRT's files are timed beside each other alone.
    for turn in (True, False):
        chosen = [name for name in networks if (paths[name].suffix == ".tflite") == turn]
        found = take_turns(
            {name: lambda image, network=networks[name]: (network(image), ())[1] for name in chosen},
            dict.fromkeys(chosen, (pictures[:1],)),
            kind=INFERENCE,
            batch_size=1,
            repeats=100,
            max_seconds=60,
        )
        timings |= {timing.model: timing.seconds for timing in found}
    figures = {}
    for name, network in networks.items():
        counts = count_answers(network, test)
        figures[name] = {
            "bytes": paths[name].stat().st_size if name == FULL else sizes[name][1],
            "accuracy": counts.accuracy,
            "test_images": counts.num_images,
            "seconds": timings[name],
        }
        for kind, images in shown.items() if name != FULL else ():
            answers = network(images)
            same = answers.argmax(axis=1) == wanted[kind].argmax(axis=1)
            figures[name][f"difference_{kind}"] = float(np.abs(answers - wanted[kind]).max())
            figures[name][f"same_class_{kind}"] = float(same.mean())
    return figures


def _predict(options: argparse.Namespace, run: Path) -> dict[str, Any]:
    """Time `predict` on copies of the folder's pictures, in turn with Keras's own."""
    source = Path(options.dataset.removeprefix("folder:"))
    pictures = options.folder / "pictures"
    _copy(source, pictures, number=options.pictures)
    ways = {"Keras, model.keras": [sys.executable, "-c", _KERAS, str(run / "model.keras"), str(pictures)]}
    for name in ("model.keras", "model.tflite", "model_int8.tflite"):
        ways[name] = [*launcher(), "predict", str(run / name), str(pictures)]
        ways[name] += ["--csv", str(options.folder / f"{name}.csv")]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, command in ways.items():
            seconds[name].append(_timed(command))
    return {"seconds": seconds, "pictures": options.pictures}


def _for_the_full_one(options: str) -> Iterator[str]:
    """Yield options of `prune` but for those that the full network without a step has no use for."""
    words = iter(shlex.split(options))
    for word in words:
        if word.removeprefix("--") in _FULL_ALONE:
            next(words, None)
        else:
            yield word


def _copy(source: Path, target: Path, *, number: int) -> None:
    """Fill a folder with so many pictures, copies of those in and below another."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for index, path in enumerate(islice(cycle(found), number)):
        shutil.copyfile(path, target / f"{index:05}{path.suffix}")


def _timed(command: Sequence[str]) -> float:
    """Return the seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:])
