"""A classification head in closed form: ridge regression of the classes on pooled features."""

from __future__ import annotations

import numpy as np

from stamp_tf.ends import LOGITS, End
from stamp_tf.training.standard_rows import LEAST_REST, StandardRows

_RIDGES = 10.0 ** np.arange(-4, 3.5, 0.5)
_SCALES = 2.0 ** np.arange(0, 6.5, 0.5)
_EVEN_ODDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def ridge_head(
    features: np.ndarray, labels: np.ndarray, *, num_classes: int, end: End = LOGITS
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel `[F, classes]` and bias `[classes]` of a calibrated ridge regression, `[F, 1]` and `[1]` of two.

    The ridge is the one of least leave-one-out error; the scale of the logits that of least loss on those left-out
    predictions, and where each has a sigmoid of its own the place of even odds as well.

    Args:
        features: `[n, F]`.
        labels: int `[n]`.
        num_classes: Number of classes.
        end: What stands behind the logits.

    Source:
        Hastie, Tibshirani & Friedman 2009, 7.10 (leave-one-out in closed form).
    """
    rows = StandardRows(features)
    x = rows.values
    one_hot = np.eye(num_classes)[labels]
    if end.is_binary:
        one_hot = one_hot[:, 1:]
    prior = one_hot.mean(0)
    y = one_hot - prior
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 0)
    rotated = x @ vectors
    target = rotated.T @ y

    def left_out(ridge: float) -> np.ndarray:
        shrink = 1 / (values + ridge * len(x))
        fitted = rotated @ (shrink[:, None] * target)
        leverage = np.minimum((rotated**2) @ shrink + 1 / len(x), 1 - LEAST_REST)
        return y - (y - fitted) / (1 - leverage)[:, None]

    errors = [float(np.square(y - left_out(ridge)).mean()) for ridge in _RIDGES]
    ridge = _RIDGES[int(np.argmin(errors))]
    scale, even = _calibration(left_out(ridge) + prior, one_hot, end)
    kernel, bias = rows.on_features(vectors @ (target / (values + ridge * len(x))[:, None]), prior - even)
    return (scale * kernel).astype("float32"), (scale * bias).astype("float32")


def _calibration(predictions: np.ndarray, targets: np.ndarray, end: End) -> tuple[float, float]:
    """Return the scale of the logits, and the prediction that is a logit of 0, of least loss."""
    if not (end.is_binary or end.is_per_class):
        # A softmax does not see what all logits have in common.
        return min(_SCALES, key=lambda scale: _cross_entropy(scale * predictions, targets)), 0.0
    pairs = [(scale, even) for scale in _SCALES for even in _EVEN_ODDS]
    return min(pairs, key=lambda pair: _binary_cross_entropy(pair[0] * (predictions - pair[1]), targets))


def _cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(1)) - (targets * shifted).sum(1)).mean())


def _binary_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).mean())
