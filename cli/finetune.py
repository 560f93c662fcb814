"""`stamp-tf finetune`: train the network of a run further."""

import dataclasses
from pathlib import Path

import click

from stamp_cli.command import Command, is_given
from stamp_cli.derive import takes
from stamp_cli.errors import interruptible
from stamp_cli.idle import FINETUNE
from stamp_cli.images import check_is_there
from stamp_cli.options_file import config_option, resolved_options
from stamp_cli.progress import Progress
from stamp_cli.prune import print_summary
from stamp_cli.values import FilePath, typed
from stamp_cli.verbosity import load_tensorflow
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.run import RunOptions


@click.command(cls=Command, idle=FINETUNE)
@click.argument("run", type=FilePath())
@takes(
    FinetuneConfig,
    "config",
    without=["clip_norm", "flip"],
    defaults={"epochs": 20, "done_at_loss": 0.0, "learning_rate": 0.01, "seed": None},
    epochs={"least": 1, "help": "Passes over the training images."},
    mixed_precision={"help": "Compute in bfloat16."},
    seed={"default_in_words": "the run's"},
)
@takes(
    DatasetOptions,
    "data",
    without=["train_size", "flip", "seed"],
    dataset={"default_in_words": "the run's own"},
)
@takes(
    NetworkOptions,
    "network",
    only=["reference"],
    reference={
        "help": "Full network that `distill` learns from: run directory or file.",
        "default_in_words": "the one that RUN was cut from",
    },
)
@takes(
    RunOptions,
    "way",
    only=["resume"],
    resume={"help": "Go on where an interrupted finetune stopped."},
)
@config_option
def command(
    run: Path, config: FinetuneConfig, data: DatasetOptions, network: NetworkOptions, way: RunOptions
) -> None:
    """Train a pruned network further.

    RUN is a folder that prune wrote. Its networks and report are replaced at the end.
    """
    from stamp_tf.storage.claims import held, recording
    from stamp_tf.storage.run_directory import RunDirectory

    directory = RunDirectory(run)
    directory.read_pruned_config()
    click.get_current_context().with_resource(held(directory))
    check_is_there(data)
    load_tensorflow()
    from stamp_tf.pruned_runs.pruned_run import load_run
    from stamp_tf.pruned_runs.train_further import finished_report, train_further

    if way.resume and not directory.further_training.config.exists():
        print_summary(finished_report(directory), directory, is_news=False)
        return
    pruned = load_run(run)
    dataset = pruned.load_dataset(
        data.dataset, data_dir=data.data_dir, download=data.download, skip_corrupt=data.skip_corrupt
    )
    if not is_given("seed"):
        config = dataclasses.replace(config, seed=pruned.config.get("seed", 0))
    options = resolved_options(seed=config.seed)
    click.get_current_context().with_resource(recording(directory.further_training, options))
    with Progress() as progress, interruptible(directory.further_training.path):
        report = train_further(
            pruned,
            dataset,
            config=config,
            reference=network.reference,
            resume=way.resume,
            command=typed(),
            on_step=progress.of("Fine-tuning"),
        )
    print_summary(report, directory)
