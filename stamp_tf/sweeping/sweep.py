"""Prune for several budgets and methods at once, from Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.data import DataSet, as_dataset
from stamp_tf.data.load import check_dataset_type
from stamp_tf.errors import StampError
from stamp_tf.measure.phases import clock
from stamp_tf.on_step import OnPhase
from stamp_tf.options.outcome import DEFAULT_EXPORTS, OutcomeOptions
from stamp_tf.options.plan import plan_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruned_runs.exports import check_exports, places_of
from stamp_tf.pruned_runs.prune_into import Settled
from stamp_tf.pruned_runs.write import config_of
from stamp_tf.pruning.choose import check_methods, with_fixed, with_own_options
from stamp_tf.pruning.kept import Kept
from stamp_tf.pruning.target import settle_target
from stamp_tf.references.find import find_reference
from stamp_tf.references.reference import Reference
from stamp_tf.storage.claims import claimed
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.sweeping.outcome import Sweep
from stamp_tf.sweeping.run_sweep import Writing, run_sweep
from stamp_tf.training.finetune import resolve_options


def sweep(
    dataset: DataSet | str,
    reference: Reference | keras.Model | str | Path | None = None,
    *,
    run_dir: str | Path,
    backbone: str = "vgg19",
    pixels: str | None = None,
    config: PruneConfig | None = None,
    exports: Sequence[str] = DEFAULT_EXPORTS,
    speed: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    on_step: OnPhase | None = None,
    **overrides: Any,
) -> Sweep:
    """Make the networks of several budgets and methods, each as `prune` does and in a folder of its own.

    What does not depend on the budget, such as errors that remain without a channel, is computed once. Each folder
    holds a run as `export_run` writes it; `report.html` in `run_dir` has all in one table and one picture.

    Args:
        dataset: As in `prune`.
        reference: As in `prune`.
        run_dir: Where the folders lie, such as `flops-0.5`: new, or that of a sweep.
        backbone: As in `prune`.
        pixels: As in `prune`.
        config: Options that all share.
        exports: Names of exporters, as in `export_run`.
        speed: Whether to measure each network against the full one.
        resume: Go on with the sweep in `run_dir`; networks that are finished stay as they are.
        overwrite: Throw the sweep in `run_dir` away.
        on_step: Called with (phase, steps done, all steps, figures).
        **overrides: Fields of `PruneConfig`, limits and method as lists: `max_flops=[0.5, 0.25]`. Each combination is
            a run; of `options` each method gets those that it takes.

    Returns:
        The figures of every network.

    Raises:
        StampError: If there is no list, a budget cannot be met, or an option or input does not fit.

    Example:
        >>> found = stamp_tf.sweep("digits", run_dir="runs/digits", max_flops=[0.5, 0.25, 0.1])
        >>> [(run.name, run.test_accuracy) for run in found.runs]
    """
    check_dataset_type(dataset)
    check_arguments(
        backbone=(backbone, str),
        pixels=(pixels, str | None),
        exports=(exports, tuple[str, ...]),
        speed=(speed, bool),
        resume=(resume, bool),
        overwrite=(overwrite, bool),
        on_step=(on_step, Callable | None),
    )
    directory = RunDirectory(as_path(run_dir, "run_dir"))
    plan = plan_of(config, overrides)
    if not plan.lists:
        raise StampError(
            "A sweep needs a list of limits or methods, but got none; write one such as max_flops=[0.5, 0.25]."
        )
    plan = dataclasses.replace(plan, configs=tuple(map(with_fixed, with_own_options(plan.configs))))
    times: dict[str, float] = {}
    with claimed(directory, resume=resume, overwrite=overwrite, command="prune"):
        for name in plan.names:
            run = RunDirectory(directory.path / name)
            check_exports(run, places_of(run, exports))
        with clock(times, "load"):
            reference = find_reference(reference, backbone=backbone, pixels=pixels)
            check_methods(plan.configs, reference)
            dataset = as_dataset(dataset, image_shape=reference.backbone.input_shape, seed=plan.config.seed)
        reference, dataset = settle_target(reference, dataset, plan.config)
        tuned = resolve_options(
            dataclasses.replace(plan.config.finetune, seed=plan.config.seed),
            dataset,
            own_model=reference.backbone.architecture is not None,
        )
        settled = Settled(reference=reference, dataset=dataset, kept=Kept(), seconds=times["load"])

        def record(one: PruneConfig) -> Mapping[str, Any]:
            return config_of(settled.dataset, settled.reference, one)

        writing = Writing(
            record=record,
            outcome=OutcomeOptions(speed=speed, exports=tuple(exports)),
            resume=resume,
            overwrite=overwrite,
            watch=lambda _: nullcontext(on_step),
        )
        return run_sweep(directory, plan.replaced(finetune=tuned), writing, settle=lambda: settled)
