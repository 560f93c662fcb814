"""`stamp-tf prune`: a smaller network for a data set."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stamp_cli.command import Command, is_given, seconds_so_far
from stamp_cli.derive import takes
from stamp_cli.idle import PRUNE
from stamp_cli.images import check_is_there, images_config, load_images
from stamp_cli.options_file import config_option
from stamp_cli.pruning_task import Task
from stamp_cli.references import Source, find_source, read_model, settle_model
from stamp_cli.tensorboard import TensorBoard
from stamp_cli.terminal import make_console, say
from stamp_cli.values import as_options, check_counts, typed
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.methods import RandomOptions, StampOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.option import options_of
from stamp_tf.options.outcome import OutcomeOptions
from stamp_tf.options.plan import Plan, plan_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.options.run import RunOptions

if TYPE_CHECKING:
    from stamp_tf.references.reference import Reference
    from stamp_tf.report.report import Report
    from stamp_tf.storage.run_directory import RunDirectory

# What is called otherwise beside the options of pruning.
_FINETUNING: dict[str, Any] = {
    name: {"flag": flag} for name, flag in options_of(PruneConfig)["finetune"].inner.items()
}


@click.command(cls=Command, idle=PRUNE)
@takes(
    DatasetOptions,
    "data",
    required=["dataset"],
    download={"help": "Allow the data set, and the weights of a pretrained `model`, to be downloaded."},
)
@takes(NetworkOptions, "network")
@takes(
    PruneConfig,
    "plan",
    plan=lambda given: plan_of(None, given),
    first=["method"],
    without=["finetune", "seed"],
    defaults={"method": None},
    method={"default_in_words": "stamp; remaining-error with `model`, l1 there if nothing is refitted"},
)
@takes(StampOptions, "of_stamp", only_flags=True)
@takes(RandomOptions, "of_random", only_flags=True)
@takes(FinetuneConfig, "finetuning", without=["flip", "seed"], **_FINETUNING)
@takes(OutcomeOptions, "outcome")
@takes(RunOptions, "run")
@config_option
def command(
    data: DatasetOptions,
    network: NetworkOptions,
    plan: Plan,
    of_stamp: Mapping[str, Any],
    of_random: Mapping[str, Any],
    finetuning: FinetuneConfig,
    outcome: OutcomeOptions,
    run: RunOptions,
) -> None:
    """Prune a reference network, or your own model, for a data set and fine-tune it.

    Limits on cost hold together. Without any, the channels that the mask generator expects to be closed go.
    Several values of a limit, or several methods, with commas between them make a network each, in folders of one
    run; each method gets those of its options that it takes. Without --run-dir, the run is written to a new folder in
    runs/.
    """
    is_own = network.model is not None
    if is_own and not is_given("method"):
        # What a refit leaves is a measure of channels only where there is a refit.
        has_refit = plan.config.refit is not False and not plan.config.structure_only
        plan = plan.replaced(method="remaining-error" if has_refit else "l1")
    # Held to the end of the command, and given back if it is refused before it has written anything.
    directory = click.get_current_context().with_resource(_claimed(run, data, plan))
    if run.tensorboard:
        # Refuses if it is not there.
        TensorBoard(directory.path)
    model_or_reference: Any = network.reference
    if network.model is None:
        found = find_source(network)
    else:
        found, model_or_reference = read_model(network.model, network, download=data.download)
    plan = plan.replaced(
        finetune=dataclasses.replace(finetuning, flip=data.flip),
        seed=data.seed,
        options=_method_options(plan.config.options, {**of_stamp, **of_random}),
    )
    check_is_there(data)
    load_tensorflow()
    from stamp_tf.training.finetune import resolve_options

    # Before the images, which may take long to read.
    plan = _checked(plan, outcome, directory)
    reference, seconds = _reference(model_or_reference, found, plan)
    dataset = load_images(data, found.image_shape)
    if is_own:
        found, reference = settle_model(found, reference, dataset, seed=data.seed)
    plan = plan.replaced(finetune=resolve_options(plan.config.finetune, dataset, own_model=is_own))
    images = images_config(data, dataset)
    task = Task(
        found=found,
        reference=reference,
        seconds=seconds,
        dataset=dataset,
        record={"command": "prune", **images, **found.to_config()},
        outcome=outcome,
        run=run,
        settled={"pixels": found.options.get("pixels") if is_own else None},
    )
    if plan.lists:
        from stamp_cli.sweep import make_all

        make_all(task, plan, directory)
    else:
        _make_one(task, plan.config, directory)


def _checked(plan: Plan, outcome: OutcomeOptions, directory: "RunDirectory") -> Plan:
    """Return a plan with what the names of its methods fix; refuse what no method or exporter can do."""
    from stamp_tf.pruned_runs.exports import check_exports, places_of
    from stamp_tf.pruning.choose import check_compression, choose_pruner, with_fixed, with_own_options

    plan = dataclasses.replace(plan, configs=tuple(map(with_fixed, with_own_options(plan.configs))))
    for config in plan.configs:
        check_counts(config.options, options_of(choose_pruner(config).options), "--method-option")
    check_compression(plan.configs, outcome.compress)
    check_exports(directory, places_of(directory, outcome.formats))
    return plan


def _reference(model_or_reference: Any, found: Source, plan: Plan) -> "tuple[Reference, float]":
    """Load what is pruned, and refuse it where a method does not fit; also return how long loading took."""
    from stamp_tf.measure.phases import clock
    from stamp_tf.pruning.choose import check_methods
    from stamp_tf.references.find import find_reference

    times: dict[str, float] = {}
    with clock(times, "load"):
        reference = find_reference(model_or_reference, backbone=found.backbone)
    check_methods(plan.configs, reference)
    return reference, times["load"]


def _make_one(task: Task, config: PruneConfig, directory: "RunDirectory") -> None:
    """Prune once, or say that it is done."""
    from stamp_tf.pruned_runs.prune_into import prune_into
    from stamp_tf.storage.claims import recording, start_run

    with recording(directory, task.options_of(config)):
        if task.run.resume:
            start_run(directory, task.record_of(config), resume=True, overwrite=False)
            if directory.is_finished:
                _say_finished(directory)
                return
        with task.watch(directory) as on_step:
            report = prune_into(
                directory,
                task.settle(config),
                config,
                record=task.record_of(config),
                outcome=task.outcome,
                resume=task.run.resume,
                overwrite=task.run.overwrite,
                command=typed(),
                on_step=on_step,
            )
    print_summary(report, directory)


def _say_finished(directory: "RunDirectory") -> None:
    from stamp_tf.report.report import Report
    from stamp_tf.storage.records import read_record

    say(f"{directory.path} is finished; nothing was changed.")
    say("")
    report = read_record(directory.report_json, Report, remedy="prune again")
    print_summary(report, directory, is_news=False)


def _method_options(given: Mapping[str, Any], flagged: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the pruner, those with a flag of their own among them."""
    read = {name: _widths(value) if isinstance(value, Path) else value for name, value in flagged.items()}
    return as_options([*given.items(), *read.items()], "--method-option")


@contextmanager
def _claimed(run: RunOptions, data: DatasetOptions, plan: Plan) -> "Iterator[RunDirectory]":
    """Claim the folder that was asked for, or the next free one in runs/."""
    from stamp_tf.storage.claims import claimed, claimed_next
    from stamp_tf.storage.run_directory import RunDirectory

    if run.run_dir is not None:
        directory = RunDirectory(run.run_dir)
        with claimed(directory, resume=run.resume, overwrite=run.overwrite, command="prune"):
            yield directory
        return
    name = Path((data.dataset or "").rpartition(":")[2]).stem
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
    kind = "sweep" if plan.lists else plan.config.method
    with claimed_next(Path("runs"), f"{stem}-{kind}") as directory:
        yield directory


def _widths(path: Path) -> dict[str, int]:
    """Read the widths of another pruned run."""
    from stamp_tf.storage.records import read_record
    from stamp_tf.storage.run_directory import RunDirectory
    from stamp_tf.storage.schemas import Masks

    run = RunDirectory(path)
    if not run.masks.exists():
        run.check_is_one()
    widths = read_record(run.masks, Masks, remedy="name another with --widths").widths
    if not widths:
        raise StampError(
            f"--widths must name a pruned run, but the masks of {path} hold no widths; name another."
        )
    return widths


def print_summary(report: "Report", directory: "RunDirectory", *, is_news: bool = True) -> None:
    """Print the headline figures and where the rest is.

    Args:
        report: The figures.
        directory: Where they were written.
        is_news: Whether this command made them, so that it matters how long it took.
    """
    from stamp_cli.report_tables import figures_of, history_table, search_table, summary_table

    console = make_console()
    console.print(summary_table(report, command_seconds=seconds_so_far() if is_news else None))
    for search in report.searches:
        say("")
        console.print(search_table(search))
    if len(report.history) > 1:
        say("")
        console.print(history_table(report))
    if report.history and report.history[-1].doubt:
        say("")
        say(f"In doubt     {report.history[-1].doubt}")
    say("")
    say(f"Report       {directory.report_html}")
    say(f"Model card   {directory.card}")
    for file in report.files:
        label = {"saved-model": "SavedModel", "keras": "Keras model"}.get(file.format, file.format)
        say(f"{label:<12} {directory.path / file.path}  ({figures_of(file)})")
    _say_calling(report, directory.saved_model)


def _say_calling(report: "Report", saved_model: Path) -> None:
    """Print how the networks of a run are called; nothing for runs of before that was known."""
    calling = report.calling
    if calling:
        say("")
    if calling and report.has_saved_model:
        say(f"Takes        {calling['takes']}")
        say(f"Gives        {calling['gives']}")
        say(f'Call it      tf.saved_model.load({str(saved_model)!r})(images)["class_name"]')
    if calling:
        say(f"Keras model  {calling['keras_takes']}")
    if calling and report.has_other_files:
        say(f"Other files  {calling['others_take']}")
