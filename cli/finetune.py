"""`stamp-tf finetune`: train the network of a run further."""

from pathlib import Path
from typing import Literal

import click

from stamp_cli.command import Command
from stamp_cli.errors import interruptible
from stamp_cli.idle import DATASET
from stamp_cli.options import DatasetOptions, dataset_options
from stamp_cli.progress import Progress
from stamp_cli.prune import print_summary
from stamp_cli.values import Count, FilePath, Number, Seed, typed
from stamp_cli.verbosity import load_tensorflow


@click.command(cls=Command, idle=DATASET)
@click.argument("run", type=FilePath())
@click.option("--epochs", type=Count(), default=20, show_default=True)
@click.option("--batch-size", type=Count(), default=128, show_default=True)
@click.option("--learning-rate", type=Number(0, min_open=True), default=0.01, show_default=True)
@click.option("--schedule", type=click.Choice(["cosine", "step"]), default="cosine", show_default=True)
@click.option("--mixed-precision", is_flag=True, help="Compute in bfloat16.")
@dataset_options(required=False, fallback="the run's own", training=False)
@click.option(
    "--seed",
    "order_seed",
    type=Seed(),
    help="Of order and augmentation.  [default: the run's]",
)
@click.option("--resume", is_flag=True, help="Go on where an interrupted finetune stopped.")
def command(
    run: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    schedule: Literal["cosine", "step"],
    mixed_precision: bool,
    data: DatasetOptions,
    order_seed: int | None,
    resume: bool,
) -> None:
    """Train a pruned network further.

    RUN is a folder that prune wrote. Its networks and report are replaced at the end.
    """
    from stamp_tf.storage.claims import held
    from stamp_tf.storage.run_directory import RunDirectory

    directory = RunDirectory(run)
    directory.read_pruned_config()
    click.get_current_context().with_resource(held(directory))
    load_tensorflow()
    from stamp_tf.options.finetune import FinetuneConfig
    from stamp_tf.pruned_runs.pruned_run import load_run
    from stamp_tf.pruned_runs.train_further import finished_report, train_further

    if resume and not directory.further_training.config.exists():
        print_summary(finished_report(directory), directory, is_news=False)
        return
    pruned = load_run(run)
    dataset = pruned.load_dataset(
        data.dataset, data_dir=data.data_dir, download=data.download, skip_corrupt=data.skip_corrupt
    )
    config = FinetuneConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        mixed_precision=mixed_precision,
        seed=pruned.config.get("seed", 0) if order_seed is None else order_seed,
    )
    with Progress() as progress, interruptible(directory.further_training.path):
        report = train_further(
            pruned,
            dataset,
            config=config,
            resume=resume,
            command=typed(),
            on_step=progress.of("Fine-tuning"),
        )
    print_summary(report, directory)
