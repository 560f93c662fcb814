"""Train a reference network that stays accurate at every budget."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.channels import TracedNetwork
from stamp_tf.channels.budget_range import check_reachable
from stamp_tf.data import Batches, DataSet, ImageSet, Normalization, StreamedSet, as_dataset, with_classes
from stamp_tf.data.doubt import doubt_of_reference
from stamp_tf.data.identity import describe
from stamp_tf.data.joined import joined
from stamp_tf.data.load import check_dataset_type, load_dataset
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.on_step import OnStep
from stamp_tf.options.fields import overridden
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.find import as_reference
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference, save_reference
from stamp_tf.references.transfer import transfer_first_outputs, transfer_weights
from stamp_tf.storage.claims import start_run
from stamp_tf.storage.records import append_jsonl
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.several_workers import claimed_by_chief, require_same
from stamp_tf.training.budget_loss import BudgetLoss, budget_loss
from stamp_tf.training.half_precision import in_bfloat16
from stamp_tf.training.lost import warn_if_lost
from stamp_tf.training.rand_augment import RandAugment
from stamp_tf.training.reference_epochs import ReferenceEpochs
from stamp_tf.training.reference_figures import reference_figures
from stamp_tf.workers import Workers, join_workers

logger = logging.getLogger(__name__)

_IMAGE_SHAPE = (32, 32, 3)


def pretrain(
    dataset: DataSet | str,
    run_dir: str | Path,
    *,
    start: Reference | str | Path | None = None,
    config: PretrainConfig | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_step: OnStep | None = None,
    loss: BudgetLoss = budget_loss,
    **overrides: Any,
) -> Reference:
    """Train a reference network, first alone, then together with masked networks at random budgets.

    A learnt score per channel decides which channels a budget keeps. Every epoch ends with a complete state on
    disk.

    Args:
        dataset: The reference data set, or its name as `load_dataset` takes it, which then comes as 32x32 RGB.
        run_dir: Folder for configuration, metrics, checkpoints and `reference.npz`.
        start: A reference of the same backbone to go on from, or its run directory; None starts afresh.
        config: Options.
        resume: Go on from the last state.
        overwrite: Empty a run directory that exists.
        on_step: Called with (steps done, all steps, figures) after each step; figures wait to be read.
        loss: What the epochs at budgets minimise; called as `stamp_tf.training.budget_loss.budget_loss` is.
        **overrides: Fields of `PretrainConfig`, such as `epochs=50`.

    Returns:
        The reference, as saved.

    Raises:
        StampError: If the run directory is in use or was made with other options.
        DivergenceError: If the loss, the gradients or a weight is no longer finite.
    """
    config = overridden(config, overrides, kind=PretrainConfig)
    check_dataset_type(dataset)
    check_arguments(
        resume=(resume, bool),
        overwrite=(overwrite, bool),
        on_step=(on_step, Callable | None),
        loss=(loss, Callable),
    )
    asked = RunDirectory(as_path(run_dir, "run_dir"))
    workers = join_workers()
    with claimed_by_chief(asked, workers, resume=resume, overwrite=overwrite, command="pretrain") as run:
        return _pretrain_in_claimed(
            dataset,
            run,
            workers=workers,
            start=start,
            config=config,
            resume=resume,
            overwrite=overwrite,
            on_step=on_step,
            loss=loss,
        )


def _pretrain_in_claimed(
    dataset: DataSet | str,
    run: RunDirectory,
    *,
    workers: Workers,
    start: Reference | str | Path | None,
    config: PretrainConfig,
    resume: bool,
    overwrite: bool,
    on_step: OnStep | None,
    loss: BudgetLoss,
) -> Reference:
    """Train in a folder that is held, see `pretrain`."""
    dataset = as_dataset(dataset, image_shape=_IMAGE_SHAPE, seed=config.seed)
    others = [_further(name, dataset, config) for name in config.also]
    backbone = BackboneConfig(
        name=config.backbone,
        input_shape=dataset.image_shape,
        num_classes=dataset.num_classes + sum(other.num_classes for other in others),
        options=dict(config.backbone_options),
    )
    before = None if start is None else as_reference(start, argument="start")
    if before is not None:
        _check_same_backbone(before.backbone, backbone)
        dataset = _in_order_of(before, dataset)
    reference = _untrained(backbone, dataset, before=before, config=config)
    images, flips = dataset.train, np.full(dataset.num_classes, dataset.flips)
    if others:
        whole = joined([dataset, *others])
        images, flips = whole.images, whole.flips
    further = RandAugment(dataset.image_shape) if config.augment == "rand" else None
    batches = _batches(images, flips, reference=reference, config=config, further=further)
    trained = _in_bfloat16(reference) if config.mixed_precision else reference
    # Before the run directory, because it refuses what it cannot use.
    epochs = ReferenceEpochs(run, trained, batches=batches, config=config, loss=loss, workers=workers)
    if config.budget_epochs:
        check_reachable(reference.cut, config.budgets, training=epochs.stage.cut)
    options = {"start": None if before is None else before.description, **asdict(config)}
    if others:
        options["also"] = [{name: describe(other)[name] for name in ("dataset", "data")} for other in others]
    content = {"command": "pretrain", **describe(dataset), **options}
    require_same(content, workers)
    start_run(run, content, resume=resume, overwrite=overwrite)
    if run.is_finished:
        logger.info("%s is finished; nothing was changed.", run.path)
        return load_reference(run.reference)
    epochs.restore(resume=resume)
    epochs.train(dataset.test, before=before, on_step=on_step)
    if config.mixed_precision:
        transfer_weights(trained.model, reference.model)
    if config.budget_epochs:
        reference = replace(reference, scores=epochs.stage.centered_scores())
    if others:
        reference = _for_first_classes(reference, dataset.num_classes)
    batches = _batches(dataset.train, flips[: dataset.num_classes], reference=reference, config=config)
    return _saved(run, reference, dataset=dataset, batches=batches, config=config)


def _saved(
    run: RunDirectory, reference: Reference, *, dataset: DataSet, batches: Batches, config: PretrainConfig
) -> Reference:
    """Measure what a reference is worth, and write it."""
    figures = reference_figures(reference, dataset, batches)
    warn_if_lost(
        "Pretraining",
        figures["test_accuracy"],
        test=dataset.test,
        remedy=f"the learning rate was {config.learning_rate:g}, try a smaller `learning_rate`",
    )
    append_jsonl(run.metrics, {"final": figures})
    reference = replace(reference, description={**reference.description, "figures": figures})
    # Last, because it says that the run is finished.
    save_reference(reference, run.reference)
    return reference


def _in_bfloat16(reference: Reference) -> Reference:
    """Return a twin whose network computes in bfloat16, with variables of its own in float32."""
    network = TracedNetwork.of(in_bfloat16(reference.model), reference.channel_map)
    return replace(reference, network=network)


def _further(name: str, dataset: DataSet, config: PretrainConfig) -> DataSet:
    """Load a data set that is trained on besides, in the shape of the first."""
    try:
        return load_dataset(name, image_shape=dataset.image_shape, seed=config.seed)
    except StampError as error:
        # It is not the one that `dataset` named.
        raise StampError(str(error.args[0]).replace("`dataset`", "`also`")) from error


def _untrained(
    backbone: BackboneConfig, dataset: DataSet, *, before: Reference | None, config: PretrainConfig
) -> Reference:
    """Return a reference of fresh weights, or of those that training goes on from."""
    keras.utils.set_random_seed(config.seed)
    model = backbone.build()
    known = describe(dataset)
    description: dict[str, Any] = {
        "dataset": known["dataset"],
        "data": known["data"],
        "pretrain": asdict(config),
    }
    if before is not None:
        transfer_weights(before.model, model)
        if set(before.description.get("class_names", ())) == set(dataset.class_names):
            # Of other classes that are learnt besides, outputs are fresh.
            transfer_first_outputs(before.model, model)
        description["start"] = before.description
        if doubt := doubt_of_reference(before.description, dataset):
            logger.warning("%s", doubt)
    description["class_names"] = list(dataset.class_names)
    require_finite(
        weight_values(model), subject=f"Weights of `backbone={backbone.name}`", remedy="choose another"
    )
    return Reference(
        backbone=backbone,
        network=TracedNetwork.of(model),
        normalization=Normalization.of(dataset.train),
        description=description,
    )


def _batches(
    images: ImageSet | StreamedSet,
    flips: np.ndarray,
    *,
    reference: Reference,
    config: PretrainConfig,
    further: RandAugment | None = None,
) -> Batches:
    return Batches(
        images,
        config.batch_size,
        normalization=reference.normalization,
        seed=config.seed,
        augment=True,
        further=further,
        flip=flips,
    )


def _for_first_classes(reference: Reference, num_classes: int) -> Reference:
    """Return a reference without the outputs that only further data sets had."""
    backbone = reference.backbone.with_num_classes(num_classes)
    model = backbone.build()
    transfer_weights(reference.model, model)
    transfer_first_outputs(reference.model, model)
    return replace(reference, backbone=backbone, network=TracedNetwork.of(model))


def _check_same_backbone(before: BackboneConfig, after: BackboneConfig) -> None:
    """Refuse to go on from another network.

    Raises:
        StampError: If name, options or input differ.
    """
    if before.with_num_classes(after.num_classes) != after:
        raise StampError(
            f"`start` must be a reference of the same backbone, options and input, but is {before.to_config()} and "
            f"the run is {after.to_config()}; repeat `backbone` and `width`, or start afresh.",
        )


def _in_order_of(before: Reference, dataset: DataSet) -> DataSet:
    """Number the classes as the network that is gone on from does, where it has the same ones: its head fits then."""
    names = before.description.get("class_names", ())
    return with_classes(dataset, names) if set(names) == set(dataset.class_names) else dataset
