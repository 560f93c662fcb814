"""Losses, probabilities and figures of logits, by how their network ends."""

import keras
import numpy as np
from keras import ops

from stamp_tf.ends import LOGITS, End
from stamp_tf.tensor import Tensor


def classification_loss(
    logits: Tensor, labels: Tensor, end: End = LOGITS, *, weights: np.ndarray | None = None
) -> Tensor:
    """Return the mean loss of logits `[B, classes]`, or `[B, 1]` of a binary end, and labels int `[B]`.

    Args:
        logits: What the network gives below its end.
        labels: The true classes.
        end: Cross-entropy where one softmax spans the classes; the mean over classes of the binary cross-entropy
            where each has its own sigmoid; the binary cross-entropy for one logit of two classes.
        weights: How much an image of each class counts, float32 `[classes]`; None for 1 each.
    """
    logits = _precise(logits)
    if weights is not None:
        own = ops.take(ops.convert_to_tensor(weights, logits.dtype), labels, axis=0)
        return ops.mean(own * _image_losses(logits, labels, end))
    if end.is_binary:
        return _binary_cross_entropy(logits, ops.cast(labels, logits.dtype)[:, None])
    targets = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    if end.is_per_class:
        return _binary_cross_entropy(logits, targets)
    return -ops.mean(ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1))


def _image_losses(logits: Tensor, labels: Tensor, end: End) -> Tensor:
    """Return the loss of each image, `[B]`, whose mean `classification_loss` is."""
    if end.is_binary:
        targets = ops.cast(labels, logits.dtype)[:, None]
    else:
        targets = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    if end.is_binary or end.is_per_class:
        return ops.mean(ops.softplus(logits) - targets * logits, axis=-1)
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)


def distillation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits `[B, classes]` and a teacher's probabilities.

    Source:
        Hinton et al. 2015, at temperature 1.
    """
    probabilities = ops.stop_gradient(ops.softmax(_precise(teacher_logits), axis=-1))
    return -ops.mean(ops.sum(probabilities * ops.log_softmax(_precise(logits), axis=-1), axis=-1))


def teacher_divergence(
    logits: Tensor, teacher_logits: Tensor, *, temperature: float, end: End = LOGITS
) -> Tensor:
    """Return T^2 times the mean divergence KL(teacher || student) at temperature T: 0 where both give the same.

    The factor keeps the size of its gradients beside those of a loss on labels, whatever T is.

    Args:
        logits: Of the student, `[B, classes]`, or `[B, 1]` of a binary end.
        teacher_logits: Of the teacher; no gradient reaches them.
        temperature: T; both logits are divided by it.
        end: One softmax spans the classes; or each has its own sigmoid, and the mean is over classes, too.

    Source:
        Hinton, Vinyals & Dean 2015, section 2.
    """
    student = _precise(logits) / temperature
    teacher = ops.stop_gradient(_precise(teacher_logits)) / temperature
    if end.is_binary or end.is_per_class:
        surplus = ops.softplus(student) - ops.softplus(teacher)
        return temperature**2 * ops.mean(surplus + ops.sigmoid(teacher) * (teacher - student))
    wanted = ops.log_softmax(teacher, axis=-1)
    surplus = wanted - ops.log_softmax(student, axis=-1)
    return temperature**2 * ops.mean(ops.sum(ops.exp(wanted) * surplus, axis=-1))


def class_probabilities(logits: Tensor, end: End = LOGITS) -> Tensor:
    """Return the probability of every class, `[B, classes]`: two of them for the one logit of a binary end.

    Args:
        logits: What the network gives below its end.
        end: A softmax spans the classes, or each has its own sigmoid.
    """
    logits = _precise(logits)
    if end.is_binary:
        return ops.sigmoid(ops.concatenate([-logits, logits], axis=-1))
    return ops.sigmoid(logits) if end.is_per_class else ops.softmax(logits, axis=-1)


def predicted_classes(logits: Tensor) -> Tensor:
    """Return the likeliest class int32 `[B]` of logits `[B, classes]`, or of one logit `[B, 1]` for two classes."""
    if logits.shape[-1] == 1:
        return ops.cast(logits[:, 0] > 0, "int32")
    return ops.cast(ops.argmax(logits, axis=-1), "int32")


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of logits `[B, classes]`, or `[B, 1]` for two, whose likeliest class is the label's."""
    hits = predicted_classes(logits) == ops.cast(labels, "int32")
    return ops.mean(ops.cast(hits, "float32"))


def _binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over all logits, computed so that large ones stay finite."""
    return ops.mean(ops.softplus(logits) - targets * logits)


def _precise(logits: Tensor) -> Tensor:
    """Return logits in single precision at least: a backbone's head may compute in half."""
    is_half = keras.backend.standardize_dtype(logits.dtype) in ("float16", "bfloat16")
    return ops.cast(logits, "float32") if is_half else logits
