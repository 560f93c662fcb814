"""`stamp-tf meta-train`: masks that follow from a set of images."""

import dataclasses
from pathlib import Path
from typing import Literal

import click

from stamp_cli.command import Command
from stamp_cli.errors import interruptible
from stamp_cli.idle import META_TRAIN
from stamp_cli.options import (
    BackboneOptions,
    DatasetOptions,
    RegisteredName,
    RunOptions,
    backbone_options,
    dataset_options,
    run_options,
)
from stamp_cli.progress import Progress
from stamp_cli.references import find_source, from_option
from stamp_cli.tensorboard import TensorBoard, tensorboard_option
from stamp_cli.terminal import say
from stamp_cli.values import BudgetRange, Count, KeyValue, Number, as_options
from stamp_cli.verbosity import load_tensorflow, require_tensorflow


@click.command(cls=Command, idle=META_TRAIN)
@dataset_options(required=False, fallback="the reference's own")
@backbone_options()
@from_option
@click.option(
    "--set-encoder",
    type=RegisteredName("stamp_tf.set_encoders"),
    default="set-transformer",
    show_default=True,
    help="Turns a set of images into a pseudo-image.",
)
@click.option(
    "--set-encoder-option",
    "encoder_options",
    type=KeyValue(),
    multiple=True,
    help="An option of the set encoder, such as num_heads=4; may be repeated.",
)
@click.option(
    "--mask-generator",
    type=RegisteredName("stamp_tf.mask_generators"),
    default="score",
    show_default=True,
    help="Turns what the pseudo-image excites into masks.",
)
@click.option(
    "--mask-generator-option",
    "generator_options",
    type=KeyValue(),
    multiple=True,
    help="An option of the mask generator; may be repeated.",
)
@click.option("--outer-steps", type=Count(), default=200, show_default=True)
@click.option("--tasks", type=Count(1, 4096), default=4, show_default=True, help="Tasks per outer step.")
@click.option("--ways", type=Count(2), default=10, show_default=True, help="Classes per task.")
@click.option("--shots", type=Count(), default=64, show_default=True, help="Images per class and task.")
@click.option(
    "--inner-batches",
    type=Count(),
    default=5,
    show_default=True,
    help="Mini-batches of a task; all but the last adapt to it.",
)
@click.option(
    "--sparsity",
    type=click.Choice(["budgets", "kl"]),
    default="budgets",
    show_default=True,
    help="Draw a budget per task, or let the prior close channels as published.",
)
@click.option(
    "--budgets",
    type=BudgetRange(),
    default=(0.06, 1.0),
    show_default="0.06:1",
    help="Range of the drawn share of FLOPs.",
)
@click.option(
    "--kl-scale", type=Number(0), default=1.0, show_default=True, help="Factor on the prior's cost."
)
@click.option(
    "--replicas", type=Count(1, 256), default=1, show_default=True, help="Devices sharing the tasks."
)
@click.option("--mixed-precision", is_flag=True, help="Compute in bfloat16.")
@click.option("--xla", is_flag=True, help="Compile with XLA.")
@run_options()
@tensorboard_option
def command(
    data: DatasetOptions,
    run: RunOptions,
    network: BackboneOptions,
    source: Path | None,
    set_encoder: str,
    encoder_options: tuple[tuple[str, object], ...],
    mask_generator: str,
    generator_options: tuple[tuple[str, object], ...],
    outer_steps: int,
    tasks: int,
    ways: int,
    shots: int,
    inner_batches: int,
    sparsity: Literal["budgets", "kl"],
    budgets: tuple[float, float],
    kl_scale: float,
    replicas: int,
    mixed_precision: bool,
    xla: bool,
    tensorboard: bool,
) -> None:
    """Meta-train a reference network and a mask generator.

    Every outer step draws tasks of a few classes from the data set, takes inner steps on each under the masks
    of its own images, and moves network, mask generator and set encoder along the gradient at the end.
    """
    require_tensorflow()
    from stamp_tf.storage.claims import claimed
    from stamp_tf.storage.run_directory import RunDirectory

    assert run.run_dir is not None
    directory = RunDirectory(run.run_dir)
    # Held to the end of the command, and given back if it is refused before it has written anything.
    claim = claimed(directory, resume=run.resume, overwrite=run.overwrite, command="meta-train")
    click.get_current_context().with_resource(claim)
    board = TensorBoard(directory.path) if tensorboard else None
    found = find_source(source, network)
    if data.dataset is None:
        data = dataclasses.replace(data, dataset=found.dataset)
    dataset = data.load(found.image_shape)
    from stamp_tf.data import EpisodeSampler

    # Too few classes or images are found here, before TensorFlow is.
    EpisodeSampler(dataset.train, ways=ways, shots=shots, num_tasks=tasks, seed=data.seed)

    load_tensorflow()
    from stamp_tf.meta.meta_step import prepare_replicas
    from stamp_tf.meta.meta_train import MetaTrainConfig, meta_train
    from stamp_tf.references.bundled import load_bundled
    from stamp_tf.references.find import as_reference

    prepare_replicas(replicas)
    config = MetaTrainConfig(
        set_encoder=set_encoder,
        set_encoder_options=as_options(encoder_options, "--set-encoder-option"),
        mask_generator=mask_generator,
        mask_generator_options=as_options(generator_options, "--mask-generator-option"),
        outer_steps=outer_steps,
        tasks=tasks,
        ways=ways,
        shots=shots,
        inner_batches=inner_batches,
        sparsity=sparsity,
        budgets=budgets,
        kl_scale=kl_scale,
        replicas=replicas,
        mixed_precision=mixed_precision,
        xla=xla,
        seed=data.seed,
    )
    with Progress(board) as progress, interruptible(directory.path):
        meta_train(
            dataset,
            load_bundled(found.backbone) if source is None else as_reference(source),
            directory.path,
            config=config,
            resume=run.resume,
            overwrite=run.overwrite,
            on_step=progress.of("Meta-training"),
        )
    say(f"Reference  {directory.reference}")
