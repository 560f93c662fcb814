"""Fine-tune a network on its data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.backbones.end import split_end
from stamp_tf.channels.graph import maker
from stamp_tf.data import Batches, DataSet, Normalization
from stamp_tf.data.batches import even_batch_size
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.finite import weight_values
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.references.layer_arrays import assign_arrays, layer_arrays
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.schedules import cosine_rate, step_rate
from stamp_tf.storage.checkpoints import (
    assign_optimizer,
    drop_steps,
    load_last_step,
    optimizer_arrays,
    save_step,
)
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.training.figures import StepFigures
from stamp_tf.training.lost import warn_if_lost
from stamp_tf.training.statistics import recalibrate_statistics, statistics_images


def finetune(
    model: keras.Model,
    dataset: DataSet,
    *,
    normalization: Normalization,
    config: FinetuneConfig | None = None,
    end: End | None = None,
    checkpoints: str | Path | None = None,
    resume: bool = True,
    on_step: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> list[EpochRecord]:
    """Train a network in place by SGD with momentum.

    Over a few images the moving statistics of batch normalisation lag behind weights that move fast. They are
    measured afresh at the end, and before an epoch's accuracy; steps do not use them.

    Args:
        model: From normalised images to logits, a softmax over the classes or sigmoids. Logits are trained, and the
            loss is the one that fits what stands behind them.
        dataset: Its data set.
        normalization: Of the images.
        config: Options.
        end: What was taken off a network that gives logits; None looks how the model ends.
        checkpoints: Where to keep a state per epoch; None keeps none.
        resume: Go on from the last state in `checkpoints`; otherwise those of another training give way to the first
            that is saved.
        on_step: Called with (steps done, all steps, figures) after each step; figures wait to be read.

    Returns:
        One record per epoch, and one for the start.

    Raises:
        StampError: If a state found in `checkpoints` does not fit, or the model ends in something else.
        DivergenceError: If the loss, the gradients or the weights are no longer finite; the network then has the
            weights of its last whole epoch.
    """
    from stamp_tf.training.reference_steps import compile_plain_step, make_weight_optimizer

    check_arguments(
        model=(model, keras.Model),
        dataset=(dataset, DataSet),
        normalization=(normalization, Normalization),
        config=(config, FinetuneConfig | None),
        end=(end, End | None),
        resume=(resume, bool),
        on_step=(on_step, Callable | None),
    )
    checkpoints = None if checkpoints is None else as_path(checkpoints, "checkpoints")
    config = config or FinetuneConfig()
    if config.learning_rate is None:
        config = resolve_options(config, dataset, own_model=False)
    logits, end = split_end(model) if end is None else (model, end)
    trained = _in_bfloat16(logits) if config.mixed_precision else logits
    optimizer = make_weight_optimizer(
        momentum=config.momentum, weight_decay=config.weight_decay, clip_norm=config.clip_norm
    )
    optimizer.build(trained.trainable_variables)
    batches = Batches(
        dataset.train,
        even_batch_size(len(dataset.train), config.batch_size),
        normalization=normalization,
        seed=config.seed,
        augment=config.augment,
        flip=config.flip and dataset.flips,
    )

    def recalibrate() -> None:
        recalibrate_statistics(trained, statistics_images(dataset.train, normalization, seed=config.seed))

    num_steps = config.epochs * len(batches)
    step_function = compile_plain_step(trained, optimizer, end=end)
    records: list[EpochRecord] = []
    if checkpoints is not None and resume and (state := load_last_step(checkpoints)) is not None:
        arrays, metadata = state
        assign_arrays("model", trained, arrays, path=checkpoints)
        assign_optimizer("optimizer", optimizer, arrays)
        records = [EpochRecord(**record) for record in metadata["records"]]
    else:
        records.append(EpochRecord(0, 0.0, None, _accuracy(trained, dataset, normalization, config, 0)))
    watch = DivergenceWatch(
        "Fine-tuning",
        remedy=f"take a smaller --learning-rate than {config.peak_rate:g}"
        + (", or --clip-norm 1" if config.clip_norm is None else ""),
        state=lambda: f"The network has the weights of epoch {records[-1].epoch} again.",
    )
    for epoch in range(len(records) - 1, config.epochs):
        started, losses = time.perf_counter(), []
        with _taken_back_on_refusal(trained, model):
            for index, (images, labels) in enumerate(batches.epoch(epoch)):
                step = epoch * len(batches) + index
                rate = _rate(config, step, num_steps)
                optimizer.learning_rate = rate
                figures = step_function(images, labels)
                losses.append(figures["loss"])
                watch.see(StepPlace(step + 1, num_steps, {"learning rate": rate}, epoch + 1), figures)
                if on_step is not None:
                    on_step(step + 1, num_steps, StepFigures(figures, images=len(images)))
            mean_loss = float(sum(float(loss) for loss in losses) / len(losses))
            watch.check(weight_values(trained))
            is_last = epoch + 1 == config.epochs
            with watch.blaming("statistics of batch normalisation or logits"):
                if is_last:
                    recalibrate()
                seconds = records[-1].seconds + time.perf_counter() - started
                if _is_tested(config, epoch + 1) and not is_last:
                    recalibrate()
                measured = _accuracy(trained, dataset, normalization, config, epoch + 1)
        records.append(EpochRecord(epoch + 1, seconds, mean_loss, measured))
        if checkpoints is not None:
            if epoch == 0:
                drop_steps(checkpoints)
            save_step(
                checkpoints,
                epoch + 1,
                layer_arrays("model", trained) | optimizer_arrays("optimizer", optimizer),
                {"records": [vars(record) for record in records]},
            )
    if trained is not model:
        transfer_weights(trained, model)
    _warn_if_lost(records, dataset, config)
    return records


def resolve_options(config: FinetuneConfig, dataset: DataSet, *, own_model: bool) -> FinetuneConfig:
    """Return the options of training on a data set, with what was left open filled in.

    Args:
        config: Options.
        dataset: Says how many steps there are.
        own_model: Whether a user's own network is trained.
    """
    num_images = len(dataset.train)
    batch_size = even_batch_size(num_images, config.batch_size)
    return config.resolved(own_model=own_model, num_steps=config.epochs * max(1, num_images // batch_size))


@contextmanager
def _taken_back_on_refusal(trained: keras.Model, model: keras.Model) -> Iterator[None]:
    """Give a network, and the one it stands for, its values from before the block where that refuses to go on."""
    before = [keras.ops.copy(variable.value) for variable in trained.variables]
    try:
        yield
    except StampError:
        for variable, value in zip(trained.variables, before, strict=True):
            variable.assign(value)
        if trained is not model:
            transfer_weights(trained, model)
        raise


def _warn_if_lost(records: Sequence[EpochRecord], dataset: DataSet, config: FinetuneConfig) -> None:
    """Say so where fine-tuning ended with a useless network: a loss may stay finite and yet be lost."""
    before, after = records[0].test_accuracy, records[-1].test_accuracy
    if len(records) > 1 and after is not None:
        warn_if_lost(
            "Fine-tuning",
            after,
            before=before,
            num_classes=dataset.num_classes,
            num_images=len(dataset.test),
            remedy=f"the learning rate was {config.peak_rate:g}, try a smaller --learning-rate",
        )


def _rate(config: FinetuneConfig, step: int, num_steps: int) -> float:
    if config.schedule == "step":
        return step_rate(step, num_steps, peak=config.peak_rate)
    return cosine_rate(step, num_steps, peak=config.peak_rate)


def _is_tested(config: FinetuneConfig, epoch: int) -> bool:
    return config.evaluate if isinstance(config.evaluate, bool) else epoch in config.evaluate


def _accuracy(
    model: keras.Model, dataset: DataSet, normalization: Normalization, config: FinetuneConfig, epoch: int
) -> float | None:
    if not _is_tested(config, epoch):
        return None
    return evaluate_accuracy(model, dataset.test, normalization=normalization)


def _in_bfloat16(model: keras.Model) -> keras.Model:
    """Return a twin that computes in bfloat16 and keeps its head and its variables in float32."""
    head = maker(model.outputs[0])

    def half(layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):
            # An operation computes in the type of what it is given.
            return layer
        config = layer.get_config()
        if layer is not head and not isinstance(layer, keras.layers.InputLayer):
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    twin = keras.models.clone_model(model, clone_function=half)
    transfer_weights(model, twin)
    return twin
