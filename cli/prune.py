"""`stamp-tf prune`: a smaller network for a data set."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from stamp_cli.command import Command, seconds_so_far
from stamp_cli.errors import interruptible
from stamp_cli.idle import PRUNE
from stamp_cli.options import (
    BackboneOptions,
    BudgetOptions,
    DatasetOptions,
    RegisteredName,
    RunOptions,
    backbone_options,
    budget_options,
    dataset_options,
    run_options,
)
from stamp_cli.progress import Progress
from stamp_cli.references import find_source, from_option, read_model, settle_model
from stamp_cli.tensorboard import TensorBoard, tensorboard_option
from stamp_cli.terminal import make_console, say
from stamp_cli.values import Count, FilePath, KeyValue, Number, as_options, typed
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.report.report import Report
    from stamp_tf.storage.run_directory import RunDirectory

_PHASES = {"prune": "Pruning", "latency": "Measuring", "finetune": "Fine-tuning"}


@click.command(cls=Command, idle=PRUNE)
@dataset_options()
@backbone_options()
@from_option
@click.option(
    "--model",
    "model_file",
    metavar="FILE",
    type=FilePath(),
    help="Prune your own model, a .keras file, instead of a reference network.",
)
@click.option(
    "--pixels",
    type=click.Choice(["standardized", "0:255", "0:1", "-1:1", "imagenet"]),
    help="What the images of --model are scaled to.  [default: 0:255 if it scales them itself, else standardized]",
)
@click.option(
    "--method",
    type=RegisteredName("stamp_tf.pruners"),
    help="The pruner.  [default: stamp; l1 with --model]",
)
@budget_options()
@click.option(
    "--epochs-prune",
    type=Number(0, 10**6),
    help="Epochs of steps on the data set before the cut; 0 prunes at once.  [default: 0]",
)
@click.option(
    "--widths",
    "widths_of",
    type=FilePath(),
    help="Take every layer's width from this pruned run (--method random).",
)
@click.option(
    "--method-option",
    "method_options",
    type=KeyValue(),
    multiple=True,
    help="A further option of the pruner; may be repeated.",
)
@click.option("--structure-only", is_flag=True, help="Keep the widths and start from fresh weights.")
@click.option(
    "--head",
    type=click.Choice(["ridge", "random", "keep"]),
    help="First values of the last layer: in closed form, at random, or its own.  [default: ridge; random with "
    "--structure-only]",
)
@click.option("--finetune-epochs", type=Count(0), default=20, show_default=True)
@click.option("--batch-size", type=Count(), default=128, show_default=True)
@click.option(
    "--learning-rate",
    type=Number(0, min_open=True),
    help="Peak of the rate.  [default: 0.2; 0.05 with --model]",
)
@click.option("--schedule", type=click.Choice(["cosine", "step"]), default="cosine", show_default=True)
@click.option(
    "--clip-norm",
    type=Number(0, min_open=True),
    help="Largest norm of the gradients.  [default: 1 with --model, else none]",
)
@click.option("--mixed-precision", is_flag=True, help="Fine-tune in bfloat16.")
@click.option(
    "--speed/--no-speed", default=True, help="Measure the pruned network's speed against the full one's."
)
@click.option("--dollars-per-hour", type=Number(0), help="Price of the machine, for the report.")
@click.option(
    "--export",
    "exporters",
    type=RegisteredName("stamp_tf.exporters"),
    multiple=True,
    help="Write the network in this format, and as a .keras file in any case; may be repeated.  "
    "[default: saved-model]",
)
@run_options(required=False)
@tensorboard_option
def command(
    data: DatasetOptions,
    run: RunOptions,
    network: BackboneOptions,
    budget: BudgetOptions,
    source: Path | None,
    model_file: Path | None,
    pixels: str | None,
    method: str | None,
    epochs_prune: float | None,
    widths_of: Path | None,
    method_options: tuple[tuple[str, Any], ...],
    structure_only: bool,
    head: Literal["ridge", "random", "keep"] | None,
    finetune_epochs: int,
    batch_size: int,
    learning_rate: float | None,
    schedule: Literal["cosine", "step"],
    clip_norm: float | None,
    mixed_precision: bool,
    speed: bool,
    dollars_per_hour: float | None,
    exporters: tuple[str, ...],
    tensorboard: bool,
) -> None:
    """Prune a reference network, or your own model, for a data set and fine-tune it.

    Limits on cost hold together. Without any, the channels that the mask generator expects to be closed go.
    Without --run-dir, the run is written to a new folder in runs/.
    """
    method = method or ("stamp" if model_file is None else "l1")
    # Held to the end of the command, and given back if it is refused before it has written anything.
    directory = click.get_current_context().with_resource(_claimed(run, data, method))
    board = TensorBoard(directory.path) if tensorboard else None
    start_from: Any = source
    if model_file is None:
        found = find_source(source, network)
    else:
        found, start_from = read_model(model_file, pixels, network, source)
    options = as_options(method_options, "--method-option")
    for name, value in (("epochs_prune", epochs_prune), ("widths", widths_of and _widths(widths_of))):
        if value is not None:
            options = as_options([*options.items(), (name, value)], "--method-option")
    load_tensorflow()
    from stamp_tf.options.finetune import FinetuneConfig
    from stamp_tf.pruned_runs.exports import check_exports, places_of
    from stamp_tf.pruned_runs.write import DEFAULT_EXPORTS, export_run, flat_options
    from stamp_tf.pruning.choose import choose_pruner
    from stamp_tf.pruning.config import PruneConfig
    from stamp_tf.pruning.prune import prune
    from stamp_tf.report.report import Report
    from stamp_tf.storage.records import read_record

    config = PruneConfig(
        method=method,
        **dataclasses.asdict(budget),
        structure_only=structure_only,
        head=head,
        finetune=FinetuneConfig(
            epochs=finetune_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            schedule=schedule,
            clip_norm=clip_norm,
            flip=data.flip,
            mixed_precision=mixed_precision,
        ).resolved(own_model=model_file is not None),
        seed=data.seed,
        options=options,
    )
    # Before the images, which may take long to read.
    choose_pruner(config)
    check_exports(directory, places_of(directory, exporters))
    dataset = data.load(found.image_shape)
    if model_file is not None:
        found, start_from = settle_model(found, start_from, dataset, seed=data.seed)
    record = {"command": "prune", **data.to_config(dataset), **found.to_config(), **flat_options(config)}
    start = _Start(directory, record, run)
    if run.resume:
        start()
        if directory.is_finished:
            say(f"{directory.path} is finished; nothing was changed.")
            say("")
            report = read_record(directory.report_json, Report, remedy="prune again")
            print_summary(report, directory, is_news=False)
            return
    with Progress(board) as progress, interruptible(directory.path):

        def on_step(phase: str, done: int, total: int, figures: Mapping[str, float]) -> None:
            if phase == "finetune":
                start()
            progress(_PHASES.get(phase, phase), done, total, figures)

        result = prune(
            dataset,
            start_from,
            backbone=found.backbone,
            config=config,
            checkpoints=directory.checkpoints,
            resume=run.resume,
            on_step=on_step,
        )
        start()
        report = export_run(
            result,
            directory.path,
            exports=exporters or DEFAULT_EXPORTS,
            speed=speed,
            dollars_per_hour=dollars_per_hour,
            command=typed(),
        )
    print_summary(report, directory)


class _Start:
    """Makes the run's folder, once; called when nothing is left that a user could have got wrong."""

    def __init__(self, directory: "RunDirectory", config: dict[str, Any], run: RunOptions) -> None:
        self._directory, self._config, self._run = directory, config, run
        self._is_done = False

    def __call__(self) -> None:
        if not self._is_done:
            from stamp_tf.storage.claims import start

            start(
                self._directory,
                self._config,
                resume=self._run.resume,
                overwrite=self._run.overwrite,
            )
            self._is_done = True


@contextmanager
def _claimed(run: RunOptions, data: DatasetOptions, method: str) -> "Iterator[RunDirectory]":
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
    with claimed_next(Path("runs"), f"{stem}-{method}") as directory:
        yield directory


def _widths(path: Path) -> dict[str, int]:
    """Read the widths of another pruned run."""
    from stamp_tf.storage.records import read_record
    from stamp_tf.storage.run_directory import RunDirectory
    from stamp_tf.storage.schemas import Masks

    widths = read_record(RunDirectory(path).masks, Masks, remedy="name another with --widths").widths
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
    from stamp_cli.report_tables import history_table, summary_table
    from stamp_tf.quantities import compact

    console = make_console()
    console.print(summary_table(report, command_seconds=seconds_so_far() if is_news else None))
    if len(report.history) > 1:
        say("")
        console.print(history_table(report))
    if report.history and report.history[-1].doubt:
        say("")
        say(f"In doubt     {report.history[-1].doubt}")
    say("")
    say(f"Report       {directory.report_html}")
    for file in report.files:
        label = {"saved-model": "SavedModel", "keras": "Keras model"}.get(file.format, file.format)
        say(f"{label:<12} {directory.path / file.path}  ({compact(file.num_bytes)}B)")
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
