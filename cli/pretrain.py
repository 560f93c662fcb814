"""`stamp-tf pretrain`: a reference network that stays accurate at every budget."""

from pathlib import Path

import click

from stamp_cli.command import Command
from stamp_cli.errors import interruptible
from stamp_cli.idle import PRETRAIN
from stamp_cli.options import (
    BackboneOptions,
    DatasetOptions,
    RunOptions,
    backbone_options,
    dataset_options,
    run_options,
)
from stamp_cli.progress import Progress
from stamp_cli.references import find_source
from stamp_cli.tensorboard import TensorBoard, tensorboard_option
from stamp_cli.terminal import say
from stamp_cli.values import BudgetRange, Count, FilePath, KeyValue, Number, as_options
from stamp_cli.verbosity import load_tensorflow, require_tensorflow


@click.command(cls=Command, idle=PRETRAIN)
@dataset_options()
@backbone_options(backbone="vgg19", image_size="32", fallback="the backbone's")
@click.option(
    "--backbone-option",
    "backbone_extras",
    type=KeyValue(),
    multiple=True,
    help="A further option of the backbone; may be repeated.",
)
@click.option("--epochs", type=Count(0), default=20, show_default=True, help="With the full network alone.")
@click.option(
    "--budget-epochs",
    type=Count(0),
    default=10,
    show_default=True,
    help="After them, with a masked network on each batch as well; 0 is plain pretraining.",
)
@click.option(
    "--budgets",
    type=BudgetRange(),
    default=(0.06, 1.0),
    show_default="0.06:1",
    help="Range of the masked network's share of FLOPs.",
)
@click.option("--batch-size", type=Count(), default=128, show_default=True)
@click.option("--learning-rate", type=Number(0, min_open=True), default=0.1, show_default=True)
@click.option(
    "--budget-learning-rate",
    type=Number(0, min_open=True),
    default=0.05,
    show_default=True,
    help="Peak of the rate in the epochs at budgets.",
)
@click.option("--weight-decay", type=Number(0), default=5e-4, show_default=True)
@click.option(
    "--from",
    "source",
    type=FilePath(),
    help="Run directory of a reference to go on from.  [default: start afresh]",
)
@run_options()
@tensorboard_option
def command(
    data: DatasetOptions,
    run: RunOptions,
    network: BackboneOptions,
    backbone_extras: tuple[tuple[str, object], ...],
    epochs: int,
    budget_epochs: int,
    budgets: tuple[float, float],
    batch_size: int,
    learning_rate: float,
    budget_learning_rate: float,
    weight_decay: float,
    source: Path | None,
    tensorboard: bool,
) -> None:
    """Train a reference network that stays prunable.

    First the full network alone, then, on the same batches, masked networks at random budgets as well: a
    score per channel learns which channels a budget keeps.
    """
    require_tensorflow()
    from stamp_tf.storage.claims import claimed
    from stamp_tf.storage.run_directory import RunDirectory

    assert run.run_dir is not None
    assert network.backbone is not None
    directory = RunDirectory(run.run_dir)
    # Held to the end of the command, and given back if it is refused before it has written anything.
    claim = claimed(directory, resume=run.resume, overwrite=run.overwrite, command="pretrain")
    click.get_current_context().with_resource(claim)
    board = TensorBoard(directory.path) if tensorboard else None
    if source is not None:
        find_source(source, network)
    extras = [*backbone_extras, *([] if network.width is None else [("width", network.width)])]
    options = as_options(extras, "--backbone-option")
    dataset = data.load(network.image_shape)

    load_tensorflow()
    from stamp_tf.training.pretrain import PretrainConfig, pretrain

    config = PretrainConfig(
        backbone=network.backbone,
        backbone_options=options,
        epochs=epochs,
        budget_epochs=budget_epochs,
        budgets=budgets,
        batch_size=batch_size,
        learning_rate=learning_rate,
        budget_learning_rate=budget_learning_rate,
        weight_decay=weight_decay,
        seed=data.seed,
    )
    with Progress(board) as progress, interruptible(directory.path):
        reference = pretrain(
            dataset,
            directory.path,
            start=source,
            config=config,
            resume=run.resume,
            overwrite=run.overwrite,
            on_step=progress.of("Training"),
        )
    figures = reference.description["figures"]
    say(f"Test accuracy  {100 * figures['test_accuracy']:.1f} % full")
    for name, value in figures.items():
        if name.startswith("test_accuracy_at_"):
            share = float(name.removeprefix("test_accuracy_at_"))
            say(f"               {100 * value:.1f} % at {100 * share:g} % of the FLOPs")
    say(f"Reference      {directory.reference}")
