"""Fine-tune a network on its data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.backbones.end import split_end
from stamp_tf.data import DataSet, Normalization
from stamp_tf.data.batches import even_batch_size
from stamp_tf.data.validation import num_trained_on, with_validation
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnStep
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.training.finetune_epochs import FinetuneEpochs
from stamp_tf.training.half_precision import in_bfloat16
from stamp_tf.training.lost import warn_if_lost
from stamp_tf.training.teacher import logits_of_teacher
from stamp_tf.weight_mask import WeightMask


def finetune(
    model: keras.Model,
    dataset: DataSet,
    *,
    normalization: Normalization,
    config: FinetuneConfig | None = None,
    end: End | None = None,
    teacher: keras.Model | None = None,
    weights: WeightMask | None = None,
    checkpoints: str | Path | None = None,
    resume: bool = True,
    on_step: OnStep | None = None,
) -> list[EpochRecord]:
    """Train a network in place by SGD with momentum.

    Over a few images the moving statistics of batch normalisation lag behind weights that move fast. They are
    measured afresh at the end, and before an epoch's accuracy; steps do not use them. Frozen ones are all that steps
    use, and stay as they are.

    Args:
        model: From normalised images to logits, a softmax over the classes or sigmoids. Logits are trained, and the
            loss is the one that fits what stands behind them.
        dataset: Its data set.
        normalization: Of the images.
        config: Options.
        end: What was taken off a network that gives logits; None looks how the model ends.
        teacher: A network of the same images and outputs, such as the one that this was cut from; `config.distill` is
            its share of the loss. It stays as it is.
        weights: Which single weights stay; the others are 0, and stay so.
        checkpoints: Where to keep a state per epoch; None keeps none.
        resume: Go on from the last state in `checkpoints`; otherwise those of another training give way to the first
            that is saved.
        on_step: Called with (steps done, all steps, figures) after each step; figures wait to be read.

    Returns:
        One record per epoch, and one for the start.

    Raises:
        StampError: If a state found in `checkpoints` does not fit, or the model ends in something else; if a teacher
            is missing, or does not fit.
        DivergenceError: If the loss, the gradients or the weights are no longer finite; the network then has the
            weights of its last whole epoch.
    """
    check_arguments(
        model=(model, keras.Model),
        dataset=(dataset, DataSet),
        normalization=(normalization, Normalization),
        config=(config, FinetuneConfig | None),
        end=(end, End | None),
        teacher=(teacher, keras.Model | None),
        weights=(weights, WeightMask | None),
        resume=(resume, bool),
        on_step=(on_step, Callable | None),
    )
    checkpoints = None if checkpoints is None else as_path(checkpoints, "checkpoints")
    config = config or FinetuneConfig()
    if None in (config.learning_rate, config.epochs, config.done_at_loss):
        config = resolve_options(config, dataset, own_model=False)
    dataset = with_validation(dataset, config.val_split, seed=config.seed)
    answers = logits_of_teacher(teacher, model, config=config, end=end)
    logits, end = split_end(model) if end is None else (model, end)
    trained = in_bfloat16(logits) if config.mixed_precision else logits
    if answers is not None and config.mixed_precision:
        answers = in_bfloat16(answers)
    epochs = FinetuneEpochs(
        trained,
        dataset,
        normalization=normalization,
        config=config,
        end=end,
        teacher=answers,
        weights=weights,
        checkpoints=checkpoints,
    )
    epochs.restore(resume=resume)
    try:
        epochs.train(on_step)
    except StampError:
        _carry_back(trained, model)
        raise
    _carry_back(trained, model)
    if len(epochs.records) > 1 and epochs.records[-1].test_accuracy is not None:
        _warn_if_lost(epochs.records, epochs.records[-1].test_accuracy, dataset=dataset, config=config)
    return epochs.records


def _carry_back(trained: keras.Model, model: keras.Model) -> None:
    """Give a network the weights of the twin that stood for it."""
    if trained is not model:
        transfer_weights(trained, model)


def resolve_options(config: FinetuneConfig, dataset: DataSet, *, own_model: bool) -> FinetuneConfig:
    """Return the options of training on a data set, with what was left open filled in.

    Args:
        config: Options.
        dataset: Says how many steps there are.
        own_model: Whether a user's own network is trained.
    """
    num_images = num_trained_on(dataset, config.val_split)
    batch_size = even_batch_size(num_images, config.batch_size)
    return config.resolved(
        own_model=own_model, num_steps=config.num_epochs * max(1, num_images // batch_size)
    )


def warn_of_tested(
    records: Sequence[EpochRecord], accuracy: float, *, dataset: DataSet, config: FinetuneConfig
) -> None:
    """Say so where a useless network was tested at the end alone; `finetune` itself says it of what it has tested.

    Args:
        records: What `finetune` returned.
        accuracy: Of all test images, once nothing is left to decide.
        dataset: Its data set.
        config: Its options, resolved.
    """
    if len(records) == 1:
        remedy = "train it for longer, or by other options of the method"
        warn_if_lost("Pruning", accuracy, test=dataset.test, remedy=remedy)
    elif records[-1].test_accuracy is None:
        _warn_if_lost(records, accuracy, dataset=dataset, config=config)


def _warn_if_lost(
    records: Sequence[EpochRecord], accuracy: float, *, dataset: DataSet, config: FinetuneConfig
) -> None:
    """Say so where fine-tuning ended with a useless network: a loss may stay finite and yet be lost."""
    before = records[0].test_accuracy
    is_worse = before is not None and accuracy < before
    remedy = "a smaller `learning_rate`" if is_worse else "another `learning_rate`, or train for longer"
    warn_if_lost(
        "Fine-tuning",
        accuracy,
        before=before,
        test=dataset.test,
        remedy=f"the learning rate was {config.peak_rate:g}, try {remedy}",
    )
