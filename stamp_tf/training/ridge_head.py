"""A classification head in closed form: ridge regression on pooled features."""

from __future__ import annotations

import keras
import numpy as np

from stamp_tf.backbones.head import head_layer
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet, random_part
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError

MAX_IMAGES = 10_000
_BATCH_SIZE = 500
_RIDGES = 10.0 ** np.arange(-4, 3.5, 0.5)
_SCALES = 2.0 ** np.arange(0, 6.5, 0.5)
# What an image that is left out leaves of its own say, which is little where features outnumber images by far.
_LEAST_REST = 1e-12
_NOTHING = 1e-12
_EVEN_ODDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def fit_head(
    model: keras.Model,
    images: ImageSet | StreamedSet,
    *,
    normalization: Normalization,
    end: End = LOGITS,
) -> None:
    """Set a network's last layer to the ridge regression of the classes on its features.

    The ridge is the one of least leave-one-out error; the scale of the logits that of least loss on those left-out
    predictions, and where each has a sigmoid of its own the place of even odds as well, so that fine-tuning starts
    from calibrated probabilities. No gradient step is taken.

    Args:
        model: The network; its last dense layer is overwritten.
        images: The training images; of more than 10,000 a fixed random part is used.
        normalization: Of those images.
        end: What stands behind the logits.

    Raises:
        StampError: If the network does not end in a dense layer, or its features are not finite.
    """
    layer = head_layer(model)
    part = random_part(images, MAX_IMAGES, seed=0)
    extractor = keras.Model(model.input, layer.input)
    batches = Batches(part, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    features = np.concatenate([extractor.predict_on_batch(x) for x, _ in batches.epoch(0)])
    if bad := int((~np.isfinite(features).all(axis=1)).sum()):
        raise StampError(
            f"A head needs finite features, but {model.name} gives NaN or infinity for {bad} of {len(features)} "
            "training images; use `head=random`, or weights from before training diverged."
        )
    kernel, bias = ridge_head(features, part.labels, num_classes=end.num_classes(layer.units), end=end)
    for variable, value in zip(layer.weights, (kernel, bias), strict=False):
        variable.assign(value)


def ridge_head(
    features: np.ndarray, labels: np.ndarray, *, num_classes: int, end: End = LOGITS
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel `[F, classes]` and bias `[classes]` of a calibrated ridge regression, `[F, 1]` and `[1]` of two.

    Args:
        features: `[n, F]`.
        labels: int `[n]`.
        num_classes: Number of classes.
        end: What stands behind the logits.

    Source:
        Hastie, Tibshirani & Friedman 2009, 7.10 (leave-one-out in closed form).
    """
    x = features.astype("float64")
    mean, deviation = x.mean(0), x.std(0) + 1e-8
    x = (x - mean) / deviation
    one_hot = np.eye(num_classes)[labels]
    if end.is_binary:
        one_hot = one_hot[:, 1:]
    prior = one_hot.mean(0)
    y = one_hot - prior
    values, vectors = _directions(x)
    rotated = x @ vectors
    target = rotated.T @ y

    def left_out(ridge: float) -> np.ndarray:
        shrink = 1 / (values + ridge * len(x))
        fitted = rotated @ (shrink[:, None] * target)
        leverage = np.minimum((rotated**2) @ shrink + 1 / len(x), 1 - _LEAST_REST)
        return y - (y - fitted) / (1 - leverage)[:, None]

    errors = [float(np.square(y - left_out(ridge)).mean()) for ridge in _RIDGES]
    ridge = _RIDGES[int(np.argmin(errors))]
    predictions = left_out(ridge) + prior
    scale, even = _calibration(predictions, one_hot, end)
    kernel = vectors @ (target / (values + ridge * len(x))[:, None]) / deviation[:, None]
    bias = prior - even - mean @ kernel
    return (scale * kernel).astype("float32"), (scale * bias).astype("float32")


def _directions(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the principal directions `[F, k]` of rows `[n, F]`, k at most n and F, and how much lies along each.

    By the smaller of the two products of the rows with themselves, which is that of images where they are few.
    """
    if len(x) >= x.shape[1]:
        values, vectors = np.linalg.eigh(x.T @ x)
        return np.maximum(values, 0), vectors
    values, left = np.linalg.eigh(x @ x.T)
    # Along the others lies nothing: the rows have a mean of zero, and may be dependent.
    some = values > values[-1] * _NOTHING
    values = values[some]
    return values, x.T @ (left[:, some] / np.sqrt(values))


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
