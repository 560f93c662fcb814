"""Losses and figures of logits."""

from typing import Any

import keras
from keras import ops

Tensor = Any


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits `[B, classes]` and labels int `[B]`."""
    logits = _precise(logits)
    log_probabilities = ops.log_softmax(logits, axis=-1)
    targets = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return -ops.mean(ops.sum(targets * log_probabilities, axis=-1))


def distillation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits `[B, classes]` and a teacher's probabilities.

    Reference:
        Hinton et al. 2015, at temperature 1.
    """
    probabilities = ops.stop_gradient(ops.softmax(_precise(teacher_logits), axis=-1))
    return -ops.mean(ops.sum(probabilities * ops.log_softmax(_precise(logits), axis=-1), axis=-1))


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of logits `[B, classes]` whose largest is the label's."""
    hits = ops.argmax(logits, axis=-1) == ops.cast(labels, "int32")
    return ops.mean(ops.cast(hits, "float32"))


def _precise(logits: Tensor) -> Tensor:
    """Return logits in single precision at least: a backbone's head may compute in half."""
    is_half = keras.backend.standardize_dtype(logits.dtype) in ("float16", "bfloat16")
    return ops.cast(logits, "float32") if is_half else logits
