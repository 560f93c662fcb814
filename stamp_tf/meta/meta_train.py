"""Meta-train phi = {W, pi, theta} on episodes of the reference data set (Algorithm 1)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

import stamp_registry
from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.channels import Budget, ChannelCut, TracedNetwork
from stamp_tf.channels.budget_range import check_reachable, draw_limits, median_flops
from stamp_tf.data import DataSet, EpisodeSampler, Normalization, as_dataset, random_part
from stamp_tf.data.identity import describe
from stamp_tf.data.load import check_dataset_type
from stamp_tf.errors import StampError
from stamp_tf.layers.contracts import check_in_training
from stamp_tf.meta.objective import StampObjective
from stamp_tf.meta.outer_loop import OuterLoop
from stamp_tf.on_step import OnStep
from stamp_tf.options.fields import overridden
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.references.find import as_reference
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference, save_reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.storage.claims import start_run
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.several_workers import claimed_by_chief, require_same
from stamp_tf.workers import Workers, join_workers

logger = logging.getLogger(__name__)

_MIN_CHANNELS = 2


def meta_train(
    dataset: DataSet | str,
    reference: Reference | str | Path,
    run_dir: str | Path,
    *,
    config: MetaTrainConfig | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_step: OnStep | None = None,
    **overrides: Any,
) -> Reference:
    """Learn masks that follow from a set, and weights that adapt fast under them.

    Args:
        dataset: The reference data set, or its name as `load_dataset` takes it.
        reference: What `pretrain` made, or its run directory; with scores for `budgets`.
        run_dir: Folder for configuration, metrics, checkpoints and `reference.npz`.
        config: Options.
        resume: Go on from the last state.
        overwrite: Empty a run directory that exists.
        on_step: Called with (steps done, all steps, figures) after each outer step.
        **overrides: Fields of `MetaTrainConfig`, such as `outer_steps=100`.

    Returns:
        The reference with meta-trained weights, mask generator and set encoder, as saved.

    Raises:
        StampError: If the data set does not fit, or the run directory is in use or has other options.
        DivergenceError: If the loss, the gradients or a weight is no longer finite.

    Source:
        Song et al. 2020, Algorithm 1.
    """
    config = overridden(config, overrides, kind=MetaTrainConfig)
    check_dataset_type(dataset)
    check_arguments(resume=(resume, bool), overwrite=(overwrite, bool), on_step=(on_step, Callable | None))
    asked = RunDirectory(as_path(run_dir, "run_dir"))
    workers = join_workers()
    _check_workers(workers, config)
    with claimed_by_chief(asked, workers, resume=resume, overwrite=overwrite, command="meta-train") as run:
        return _meta_train_in_claimed(
            dataset,
            reference,
            run,
            workers=workers,
            config=config,
            resume=resume,
            overwrite=overwrite,
            on_step=on_step,
        )


def _check_workers(workers: Workers, config: MetaTrainConfig) -> None:
    """Refuse what several workers cannot do.

    Raises:
        StampError: If the tasks cannot be shared out evenly, or an option is for one process.
    """
    workers.check_divides("tasks", config.tasks)
    for name, is_for_one in (("replicas", config.replicas > 1), ("xla", config.xla)):
        if is_for_one and workers.number > 1:
            raise StampError(
                f"`{name}` is for training in one process, but TF_CONFIG names {workers.number} workers; leave it out, "
                "and start a worker for every device."
            )


def _meta_train_in_claimed(
    dataset: DataSet | str,
    reference: Reference | str | Path,
    run: RunDirectory,
    *,
    workers: Workers,
    config: MetaTrainConfig,
    resume: bool,
    overwrite: bool,
    on_step: OnStep | None,
) -> Reference:
    """Train in a folder that is held, see `meta_train`."""
    from stamp_tf.meta.meta_step import compile_meta_step, make_strategy

    reference = as_reference(reference)
    dataset = as_dataset(dataset, image_shape=reference.backbone.input_shape, seed=config.seed)
    reference.check_images(dataset)
    sampler = EpisodeSampler.of(dataset.train, config)
    strategy = make_strategy(config.replicas)
    scope = nullcontext if strategy is None else strategy.scope
    known = describe(dataset)
    with scope():
        trained = _with_fresh_parts(reference, dataset, config)
        objective = _objective(trained, reference.cut.with_min_channels(_MIN_CHANNELS), config)
    if config.sparsity == "budgets" or not objective.mask_generator.layer.has_prior:
        check_reachable(reference.cut, config.budgets, training=objective.cut)
    content = {"command": "meta-train", **known, "backbone": reference.backbone.to_config(), **asdict(config)}
    require_same(content, workers)
    start_run(run, content, resume=resume, overwrite=overwrite)
    if run.is_finished:
        logger.info("%s is finished; nothing was changed.", run.path)
        return load_reference(run.reference)
    with scope():
        optimizers = [keras.optimizers.Adam(rate) for rate in config.outer_rates]
        for optimizer, part in zip(optimizers, objective.parts.split(objective.variables), strict=True):
            optimizer.build(part)
    step = compile_meta_step(
        objective,
        optimizers,
        inner_rates=objective.parts.spread(*config.inner_rates),
        strategy=strategy,
        workers=workers,
        xla=config.xla,
    )
    loop = OuterLoop(run, trained, optimizers=optimizers, config=config, workers=workers)
    loop.restore(resume=resume)
    episode = partial(
        _episode,
        sampler,
        part=workers.part,
        normalization=reference.normalization,
        config=config,
        num_channels=objective.cut.num_channels,
    )
    loop.train(step, episode, on_step=on_step)
    result = _centered(trained.in_float32() if config.mixed_precision else trained, dataset, config)
    origin = {"meta_train": asdict(config), "meta_dataset": known["dataset"], "meta_data": known["data"]}
    result = replace(result, description={**result.description, **origin})
    save_reference(result, run.reference)
    return result


def _with_fresh_parts(reference: Reference, dataset: DataSet, config: MetaTrainConfig) -> Reference:
    """Return a reference with weights of its own, a new head for `ways` classes, and a fresh pi and theta."""
    keras.utils.set_random_seed(config.seed)
    policy = keras.config.dtype_policy()
    try:
        if config.mixed_precision:
            keras.config.set_dtype_policy("mixed_bfloat16")
        model = reference.backbone.build(num_classes=config.ways)
    finally:
        keras.config.set_dtype_policy(policy)
    transfer_weights(reference.model, model)
    fresh = reference.with_new_layers(
        set_encoder=(config.set_encoder, config.set_encoder_options),
        mask_generator=(config.mask_generator, config.mask_generator_options),
    )
    # One answer before anything is written: a plug-in that breaks its contract is found here.
    part = random_part(dataset.train, config.ways, seed=config.seed)
    fresh.propose_scores(part.images, normalization=reference.normalization)
    set_encoder = fresh.set_encoder
    assert set_encoder is not None  # made just now
    if not stamp_registry.is_built_in(set_encoder.kind.group, set_encoder.name):
        check_in_training(set_encoder, keras.ops.convert_to_tensor(reference.normalization(part.images)))
    return replace(
        fresh,
        backbone=reference.backbone.with_num_classes(config.ways),
        network=TracedNetwork.of(model, reference.channel_map),
        # Tasks number their classes anew, so that the head has none of its own.
        description={name: value for name, value in reference.description.items() if name != "class_names"},
    )


def _objective(trained: Reference, cut: ChannelCut, config: MetaTrainConfig) -> StampObjective:
    assert trained.set_encoder is not None
    assert trained.mask_generator is not None
    return StampObjective(
        trained.model,
        trained.mask_generator,
        set_encoder=trained.set_encoder,
        cut=cut,
        sparsity=config.sparsity,
        kl_scale=config.kl_scale,
        end=trained.backbone.end,
    )


def _episode(
    sampler: EpisodeSampler,
    index: int,
    *,
    part: slice,
    normalization: Normalization,
    config: MetaTrainConfig,
    num_channels: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images `[N, S, b, H, W, D]`, labels `[N, S, b]`, uniform `[N, S, 2, C]`, limits `[N, 2]` of some tasks."""
    episode = sampler.sample(index, part)
    images = normalization(episode.images)
    num_tasks, num_batches = config.tasks, config.inner_batches
    images = images.reshape(len(images), num_batches, -1, *images.shape[2:])
    labels = episode.labels.reshape(len(images), num_batches, -1)
    rng = np.random.default_rng((config.seed, index, 3))
    uniform = rng.uniform(size=(num_tasks, num_batches, 2, num_channels)).astype(keras.config.floatx())
    return images, labels, uniform[part], draw_limits(rng, config.budgets, num_tasks)[part]


def _centered(reference: Reference, dataset: DataSet, config: MetaTrainConfig) -> Reference:
    """Return the reference with scores shifted, where they have no prior, so that the median budget cuts at 0.

    Budgets fix differences of scores but not their level. With this one, E[m] > 0.5 says that a channel is kept
    at more than half of the budgets that were drawn, and the threshold rule has a meaning.
    """
    reference = reference.copy()
    generator = reference.mask_generator
    if generator is None or generator.layer.has_prior:
        return reference
    median = Budget(max_flops=median_flops(config.budgets))
    part = random_part(dataset.train, config.ways * config.shots, seed=config.seed)
    scores = reference.propose_scores(part.images, normalization=reference.normalization)
    with generator.plugin.running():
        generator.layer.shift_scores(-reference.cut.threshold(scores, median))
    return reference
