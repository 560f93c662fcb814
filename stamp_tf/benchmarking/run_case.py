"""One run of a suite, in a process of its own: `python -m stamp_tf.benchmarking.run_case FOLDER NAME [PARENT]`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stamp_tf.benchmarking.cases import Case, Setup
from stamp_tf.benchmarking.folder import SuiteFolder
from stamp_tf.benchmarking.parent import end_with
from stamp_tf.benchmarking.swaps import swaps_of
from stamp_tf.data import DataSet, load_dataset
from stamp_tf.measure.machine import describe_code, describe_machine, describe_versions
from stamp_tf.measure.memory import peak_bytes
from stamp_tf.measure.speed import measure_latency
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruned_runs.write import export_run
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.result import PruneResult
from stamp_tf.pruning.trial import with_held_out
from stamp_tf.references.find import find_reference
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.references.reference import Reference
from stamp_tf.storage.records import read_json, write_json_atomic

_LATENCY_BATCH = 128


def run_case(folder: SuiteFolder, case: Case) -> dict[str, Any]:
    """Prune, fine-tune and measure once, and write the record.

    Args:
        folder: Of the suite; nobody else works on this case.
        case: Which run.

    Returns:
        The record, as written.

    Raises:
        StampError: As `prune`.
    """
    setup = folder.setup
    reference = find_reference(setup.reference, backbone=setup.content.backbone)
    dataset = load_dataset(
        setup.spec(case),
        image_shape=reference.backbone.input_shape,
        train_size=case.train_size or None,
        seed=case.seed,
    )
    rate = _rate(folder, case, reference=reference, dataset=dataset)
    config = _config(folder, case, rate=rate, epochs=setup.size.epochs, is_tested=_is_drawn(setup, case))
    seen = 0.0

    def on_step(phase: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        nonlocal seen
        seen += figures.get("images", 0.0) if phase == "prune" else 0.0

    result = prune(dataset, reference, config=config, on_step=on_step)
    record = {
        "case": case.to_json(),
        "figures": figures_of(result) | {"learning_rate": rate, "images_search": seen},
        "classes": dataset.class_names,
        "curve": [dataclasses.asdict(one) for one in result.records],
        "kept": reference.channel_map.kept(result.mask),
        "sizes": {group.name: group.size for group in reference.channel_map.groups},
        "reference": fingerprint(reference),
        "hardware": describe_machine(),
        "versions": describe_versions(),
        "code": describe_code(),
    }
    if "swaps" in setup.content.views:
        record["swaps"] = swaps_of(folder, case, result)
    if case.task in setup.size.remembered:
        export_run(result, folder.memory(case, case.row) / case.task, exports=(), speed=False)
    write_json_atomic(folder.record(case), record)
    return record


def config_of(setup: Setup, case: Case, *, rate: float, epochs: int, is_tested: bool) -> PruneConfig:
    """Return the options of pruning of a case.

    Args:
        setup: What is run.
        case: Which run.
        rate: Of fine-tuning.
        epochs: Of fine-tuning.
        is_tested: Whether to test after every epoch.
    """
    row = setup.row(case.row)
    finetuning = FinetuneConfig(epochs=epochs, learning_rate=rate, evaluate=is_tested)
    own: dict[str, Any] = {**row.limits, **row.options}
    own["options"] = {**own.get("options", {}), **setup.size.method_options.get(row.method, {})}
    return PruneConfig(method=row.method, seed=case.seed, finetune=finetuning, **own)


def _is_drawn(setup: Setup, case: Case) -> bool:
    """Whether a view shows this run epoch by epoch: testing after each takes as long as training on few images."""
    views = setup.content.views
    return "accuracy_by_passes" in views or ("accuracy_by_time" in views and case.seed == min(setup.seeds))


def _config(folder: SuiteFolder, case: Case, **how: Any) -> PruneConfig:
    """Return the options of a case, with the memory that it starts from where its row has one."""
    config, memory = config_of(folder.setup, case, **how), folder.setup.row(case.row).memory
    if not memory:
        return config
    place = str(folder.memory(case, memory))
    return dataclasses.replace(config, options={**config.options, "memory": place})


def figures_of(result: PruneResult) -> dict[str, Any]:
    """Return what the papers' columns need.

    Args:
        result: Of a run in this process, which did nothing else: its peak of memory is that of the run.
    """
    finetuning = result.times["finetune"]
    latency = measure_latency(result.model, batch_size=_LATENCY_BATCH)
    return {
        "accuracy": result.test_accuracy,
        "params_fraction": result.params_fraction,
        "flops_fraction": result.flops_fraction,
        "seconds_search": result.seconds - finetuning,
        "seconds_finetune": finetuning,
        "seconds_inference": latency.seconds,
        "inference_batch": _LATENCY_BATCH,
        "peak_bytes": peak_bytes(),
        "test_images": len(result.dataset.test),
        "train_images": len(result.dataset.train),
    }


def _rate(folder: SuiteFolder, case: Case, *, reference: Reference, dataset: DataSet) -> float:
    """Return the rate that suits a row best on held-out training images; it is looked for once for all seeds."""
    size, path = folder.setup.size, folder.rates(case)
    if len(size.rates) == 1:
        return size.rates[0]
    if path.exists():
        return float(read_json(path)["rate"])
    held_out = with_held_out(dataset, seed=case.seed)
    accuracies = {}
    for rate in size.rates:
        config = _config(folder, case, rate=rate, epochs=size.rate_epochs, is_tested=False)
        accuracies[rate] = prune(held_out, reference, config=config).test_accuracy
    best = max(accuracies, key=lambda rate: accuracies[rate])
    tried = {f"{rate:g}": accuracy for rate, accuracy in accuracies.items()}
    path.parent.mkdir(exist_ok=True)
    write_json_atomic(path, {"rate": best, "tried": tried, "epochs": size.rate_epochs, "seed": case.seed})
    return best


def main(folder: str, name: str, parent: str | None = None) -> None:
    """Run the case of a name, and end early with the process that asked for it, if it says which it is."""
    if parent is not None:
        end_with(int(parent))
    suite_folder = SuiteFolder(Path(folder))
    case = next(case for case in suite_folder.setup.cases if case.name == name)
    run_case(suite_folder, case)


if __name__ == "__main__":
    from stamp_tf.errors import StampError

    try:
        main(*sys.argv[1:])
    except StampError as error:
        sys.exit(str(error))
