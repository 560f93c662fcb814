"""Meta-train phi = {W, pi, theta} on episodes of the reference data set (Algorithm 1)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import stamp_registry
from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.channels import Budget, TracedNetwork
from stamp_tf.channels.budget_range import check_reachable, draw_limits, median_flops
from stamp_tf.data import DataSet, EpisodeSampler, as_dataset, random_part
from stamp_tf.data.identity import describe
from stamp_tf.data.load import check_dataset_type
from stamp_tf.errors import StampError
from stamp_tf.layers.contracts import check_in_training
from stamp_tf.meta.objective import StampObjective
from stamp_tf.options.fields import overridden
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.references.find import as_reference
from stamp_tf.references.layer_arrays import assign_arrays
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference, save_reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.schedules import step_rate
from stamp_tf.storage.checkpoints import assign_optimizer, load_last_step, optimizer_arrays, save_step
from stamp_tf.storage.claims import claimed
from stamp_tf.storage.claims import start as start_run
from stamp_tf.storage.records import append_jsonl, trim_jsonl
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.training.divergence import DivergenceWatch, StepPlace, last_state_in_words

logger = logging.getLogger(__name__)

_MIN_CHANNELS = 2
_SAVE_EVERY = 10


def meta_train(
    dataset: DataSet | str,
    reference: Reference | str | Path,
    run_dir: str | Path,
    *,
    config: MetaTrainConfig | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_step: Callable[[int, int, Mapping[str, float]], None] | None = None,
    **overrides: Any,
) -> Reference:
    """Learn masks that follow from a set, and weights that adapt fast under them.

    Args:
        dataset: The reference data set, or its name as after `--dataset`.
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

    Reference:
        Song et al. 2020, Algorithm 1.
    """
    config = overridden(config, overrides, kind=MetaTrainConfig)
    check_dataset_type(dataset)
    check_arguments(resume=(resume, bool), overwrite=(overwrite, bool), on_step=(on_step, Callable | None))
    run = RunDirectory(as_path(run_dir, "run_dir"))
    with claimed(run, resume=resume, overwrite=overwrite, command="meta-train"):
        return _meta_train(
            dataset, reference, run, config=config, resume=resume, overwrite=overwrite, on_step=on_step
        )


def _meta_train(
    dataset: DataSet | str,
    reference: Reference | str | Path,
    run: RunDirectory,
    *,
    config: MetaTrainConfig,
    resume: bool,
    overwrite: bool,
    on_step: Callable[[int, int, Mapping[str, float]], None] | None,
) -> Reference:
    """Train in a folder that is held, see `meta_train`."""
    from stamp_tf.meta.meta_step import compile_meta_step, make_strategy

    reference = as_reference(reference)
    dataset = as_dataset(dataset, image_shape=reference.backbone.input_shape, seed=config.seed)
    if tuple(dataset.image_shape) != tuple(reference.backbone.input_shape):
        raise StampError(
            f"--dataset must have the reference's images {reference.backbone.input_shape}, but has "
            f"{dataset.image_shape}; load it with that image_shape."
        )
    sampler = EpisodeSampler(
        dataset.train, ways=config.ways, shots=config.shots, num_tasks=config.tasks, seed=config.seed
    )
    strategy = make_strategy(config.replicas)
    scope = nullcontext if strategy is None else strategy.scope
    with scope():
        objective = _objective(reference, dataset, config)
    if config.sparsity == "budgets" or not objective.mask_generator.layer.has_prior:
        check_reachable(reference.cut, config.budgets, training=objective.cut)
    known = describe(dataset)
    start_run(
        run,
        {
            "command": "meta-train",
            **known,
            "backbone": reference.backbone.to_config(),
            **asdict(config),
        },
        resume=resume,
        overwrite=overwrite,
    )
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
        xla=config.xla,
    )
    result = replace(
        reference,
        backbone=reference.backbone.with_num_classes(config.ways),
        network=TracedNetwork.of(objective.model, reference.channel_map),
        set_encoder=objective.set_encoder,
        mask_generator=objective.mask_generator,
        # Tasks number their classes anew, so that the head has none of its own.
        description={name: value for name, value in reference.description.items() if name != "class_names"}
        | {"meta_train": asdict(config), "meta_dataset": known["dataset"], "meta_data": known["data"]},
    )
    first = 0
    if resume and (state := load_last_step(run.checkpoints)) is not None:
        arrays, metadata = state
        for prefix, layer in _layers(objective):
            assign_arrays(prefix, layer, arrays, path=run.checkpoints)
        for index, optimizer in enumerate(optimizers):
            assign_optimizer(f"optimizer_{index}", optimizer, arrays)
        first = metadata["step"]
    # Without a state, too: a kill between the first line and the first state leaves the line.
    trim_jsonl(run.metrics, "step", first)

    # How many steps the newest state on disk has.
    num_saved = first
    watch = DivergenceWatch(
        "Meta-training",
        remedy="take smaller inner_rates or outer_rates, or a smaller --kl-scale",
        state=lambda: last_state_in_words(run.path, num_saved, unit="step"),
    )

    def save(num_done: int) -> None:
        nonlocal num_saved
        arrays = result.arrays()
        for index, optimizer in enumerate(optimizers):
            arrays |= optimizer_arrays(f"optimizer_{index}", optimizer)
        watch.check(arrays)
        save_step(run.checkpoints, num_done, arrays, {})
        num_saved = num_done

    num_done = first
    try:
        for index in range(first, config.outer_steps):
            started = time.perf_counter()
            rates = {}
            for name, optimizer, peak in zip(
                ("W", "pi", "theta"), optimizers, config.outer_rates, strict=True
            ):
                rate = step_rate(index, config.outer_steps, peak=peak)
                optimizer.learning_rate = rates[f"outer rate of {name}"] = rate
            figures = step(*_episode(sampler, reference, config, index, objective.cut.num_channels))
            record = {name: float(value) for name, value in figures.items()}
            num_done = index + 1
            watch.see(StepPlace(num_done, config.outer_steps, rates), record)
            watch.check()
            record |= {"step": num_done, "seconds": time.perf_counter() - started}
            append_jsonl(run.metrics, record)
            if on_step is not None:
                on_step(
                    num_done,
                    config.outer_steps,
                    record | {"images": config.tasks * config.ways * config.shots},
                )
            if num_done % _SAVE_EVERY == 0:
                save(num_done)
    except KeyboardInterrupt:
        # An interrupt within a step is raised behind it; the optimizer knows how many steps were taken.
        save(int(optimizers[0].iterations))
        raise KeyboardInterrupt(f"state saved in {run.path}; continue with --resume") from None
    save(num_done)
    if config.mixed_precision:
        result = result.in_float32()
    result = _centered(result, dataset, config)
    save_reference(result, run.reference)
    return result


def _objective(reference: Reference, dataset: DataSet, config: MetaTrainConfig) -> StampObjective:
    """Build the networks: weights of the reference, a new head for `ways` classes, a fresh encoder."""
    keras.utils.set_random_seed(config.seed)
    policy = keras.config.dtype_policy()
    try:
        if config.mixed_precision:
            keras.config.set_dtype_policy("mixed_bfloat16")
        model = reference.backbone.build(num_classes=config.ways)
    finally:
        keras.config.set_dtype_policy(policy)
    transfer_weights(reference.model, model)
    start = reference.with_new_layers(
        set_encoder=(config.set_encoder, config.set_encoder_options),
        mask_generator=(config.mask_generator, config.mask_generator_options),
    )
    # One answer before anything is written: a plug-in that breaks its contract is found here.
    part = random_part(dataset.train, config.ways, seed=config.seed)
    start.propose_scores(part.images, normalization=reference.normalization)
    set_encoder, mask_generator = start.set_encoder, start.mask_generator
    assert set_encoder is not None  # made just now, and so is the other
    assert mask_generator is not None
    if not stamp_registry.is_built_in("stamp_tf.set_encoders", config.set_encoder):
        check_in_training(set_encoder, keras.ops.convert_to_tensor(reference.normalization(part.images)))
    return StampObjective(
        model,
        mask_generator,
        set_encoder,
        reference.cut.with_min_channels(_MIN_CHANNELS),
        sparsity=config.sparsity,
        kl_scale=config.kl_scale,
        end=reference.backbone.end,
    )


def _layers(objective: StampObjective) -> list[tuple[str, Any]]:
    return [
        ("model", objective.model),
        ("mask_generator", objective.mask_generator.layer),
        ("set_encoder", objective.set_encoder.layer),
    ]


def _episode(
    sampler: EpisodeSampler, reference: Reference, config: MetaTrainConfig, index: int, num_channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images `[N, S, b, H, W, D]`, labels `[N, S, b]`, uniform `[N, S, 2, C]`, limits `[N, 2]`."""
    episode = sampler.sample(index)
    num_tasks, num_batches = config.tasks, config.inner_batches
    images = reference.normalization(episode.images)
    images = images.reshape(num_tasks, num_batches, -1, *images.shape[2:])
    labels = episode.labels.reshape(num_tasks, num_batches, -1)
    rng = np.random.default_rng((config.seed, index, 3))
    uniform = rng.uniform(size=(num_tasks, num_batches, 2, num_channels)).astype("float32")
    return images, labels, uniform, draw_limits(rng, config.budgets, num_tasks)


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
