"""`stamp-tf pretrain`: a reference network that stays accurate at every budget."""

import dataclasses

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.errors import interruptible
from stamp_cli.idle import PRETRAIN
from stamp_cli.images import load_images
from stamp_cli.options_file import config_option, resolved_options
from stamp_cli.progress import Progress
from stamp_cli.references import find_source
from stamp_cli.tensorboard import TensorBoard
from stamp_cli.terminal import say
from stamp_cli.values import as_options
from stamp_cli.verbosity import load_tensorflow, require_tensorflow
from stamp_cli.workers import joined_workers
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.options.run import RunOptions


@click.command(cls=Command, idle=PRETRAIN)
@takes(DatasetOptions, "data", required=["dataset"])
@takes(
    NetworkOptions,
    "network",
    without=["model", "pixels"],
    defaults={"backbone": "vgg19", "image_shape": (32, 32, 3)},
    width={"default_in_words": "the backbone's"},
    reference={
        "help": "Run directory of a reference to go on from.",
        "default_in_words": "start afresh",
    },
)
@takes(PretrainConfig, "config", without=["backbone", "seed"])
@takes(RunOptions, "run", required=["run_dir"])
@config_option
def command(data: DatasetOptions, network: NetworkOptions, config: PretrainConfig, run: RunOptions) -> None:
    """Train a reference network that stays prunable.

    First the full network alone, then, on the same batches, masked networks at random budgets as well: a
    score per channel learns which channels a budget keeps.
    """
    require_tensorflow()
    from stamp_tf.storage.claims import claimed, recording
    from stamp_tf.storage.run_directory import RunDirectory

    assert run.run_dir is not None
    assert network.backbone is not None
    directory = RunDirectory(run.run_dir)
    workers = joined_workers()
    # Held to the end of the command, and given back if it is refused before it has written anything.
    claim = claimed(directory, resume=run.resume, overwrite=run.overwrite, command="pretrain")
    if workers.is_chief:
        context = click.get_current_context()
        context.with_resource(claim)
        context.with_resource(recording(directory, resolved_options()))
    board = TensorBoard(directory.path) if run.tensorboard and workers.is_chief else None
    if network.reference is not None:
        find_source(network)
    extras = list(config.backbone_options.items())
    if network.width is not None:
        extras.append(("width", network.width))
    config = dataclasses.replace(
        config,
        backbone=network.backbone,
        backbone_options=as_options(extras, "--backbone-option"),
        seed=data.seed,
    )
    dataset = load_images(data, network.image_shape)

    load_tensorflow()
    from stamp_tf.training.pretrain import pretrain

    with Progress(board) as progress, interruptible(directory.path):
        reference = pretrain(
            dataset,
            directory.path,
            start=network.reference,
            config=config,
            resume=run.resume,
            overwrite=run.overwrite,
            on_step=progress.of("Training") if workers.is_chief else None,
        )
    if not workers.is_chief:
        return
    figures = reference.description["figures"]
    say(f"Test accuracy  {100 * figures['test_accuracy']:.1f} % full")
    for name, value in figures.items():
        if name.startswith("test_accuracy_at_"):
            share = float(name.removeprefix("test_accuracy_at_"))
            say(f"               {100 * value:.1f} % at {100 * share:g} % of the FLOPs")
    say(f"Reference      {directory.reference}")
