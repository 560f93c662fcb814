"""`stamp-tf meta-train`: masks that follow from a set of images."""

import dataclasses

import click

from stamp_cli.command import Command
from stamp_cli.derive import takes
from stamp_cli.errors import interruptible
from stamp_cli.idle import META_TRAIN
from stamp_cli.images import load_images
from stamp_cli.options_file import config_option, resolved_options
from stamp_cli.progress import Progress
from stamp_cli.references import find_source
from stamp_cli.tensorboard import TensorBoard
from stamp_cli.terminal import say
from stamp_cli.verbosity import load_tensorflow, require_tensorflow
from stamp_cli.workers import joined_workers
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.run import RunOptions


@click.command(cls=Command, idle=META_TRAIN)
@takes(DatasetOptions, "data", dataset={"default_in_words": "the reference's own"})
@takes(NetworkOptions, "network", without=["model", "pixels"])
@takes(MetaTrainConfig, "config", without=["seed"])
@takes(RunOptions, "run", required=["run_dir"])
@config_option
def command(data: DatasetOptions, network: NetworkOptions, config: MetaTrainConfig, run: RunOptions) -> None:
    """Meta-train a reference network and a mask generator.

    Every outer step draws tasks of a few classes from the data set, takes inner steps on each under the masks
    of its own images, and moves network, mask generator and set encoder along the gradient at the end.
    """
    require_tensorflow()
    from stamp_tf.storage.claims import claimed, recording
    from stamp_tf.storage.run_directory import RunDirectory

    assert run.run_dir is not None
    directory = RunDirectory(run.run_dir)
    workers = joined_workers()
    # Held to the end of the command, and given back if it is refused before it has written anything.
    claim = claimed(directory, resume=run.resume, overwrite=run.overwrite, command="meta-train")
    if workers.is_chief:
        click.get_current_context().with_resource(claim)
    board = TensorBoard(directory.path) if run.tensorboard and workers.is_chief else None
    found = find_source(network)
    if data.dataset is None:
        data = dataclasses.replace(data, dataset=found.dataset)
    if workers.is_chief:
        options = resolved_options(dataset=data.dataset)
        click.get_current_context().with_resource(recording(directory, options))
    config = dataclasses.replace(config, seed=data.seed)
    dataset = load_images(data, found.image_shape)
    from stamp_tf.data import EpisodeSampler

    # Too few classes or images are found here, before TensorFlow is.
    EpisodeSampler.of(dataset.train, config)

    load_tensorflow()
    from stamp_tf.meta.meta_step import prepare_replicas
    from stamp_tf.meta.meta_train import meta_train
    from stamp_tf.references.bundled import load_bundled
    from stamp_tf.references.find import as_reference

    prepare_replicas(config.replicas)
    with Progress(board) as progress, interruptible(directory.path):
        meta_train(
            dataset,
            load_bundled(found.backbone) if network.reference is None else as_reference(network.reference),
            directory.path,
            config=config,
            resume=run.resume,
            overwrite=run.overwrite,
            on_step=progress.of("Meta-training") if workers.is_chief else None,
        )
    if workers.is_chief:
        say(f"Reference  {directory.reference}")
