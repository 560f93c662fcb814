"""A classification head in closed form: linear discriminant analysis of pooled features."""

from __future__ import annotations

import numpy as np

from stamp_tf.training.standard_rows import LEAST_REST, StandardRows

_SHRINKAGES = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
_SCALES = 2.0 ** np.arange(-8, 1.5, 0.5)
# Of a single image a class nothing can be left out that tells one choice from another.
_UNTOLD = (0.99, 2.0**-6)


def discriminant_head(
    features: np.ndarray, labels: np.ndarray, *, num_classes: int, is_binary: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel `[F, classes]` and bias `[classes]` of calibrated discriminants, `[F, 1]` and `[1]` of two.

    The features of every class are taken for normally distributed around a mean of its own with a covariance that all
    share, which is shrunk towards that of independent features. How far, and by what the discriminants are scaled to
    become logits, is what gives the least cross-entropy for each image where it is left out itself.

    Args:
        features: `[n, F]`.
        labels: int `[n]`; a class without an image is taken for less likely than any other.
        num_classes: Number of classes.
        is_binary: Whether one logit, that of the second class, stands for two classes.

    Source:
        Friedman 1989, Regularized Discriminant Analysis; the rank-one update of an inverse by Sherman & Morrison 1950.
    """
    rows = StandardRows(features)
    counts = np.bincount(labels, minlength=num_classes)
    means = np.zeros((num_classes, rows.values.shape[1]))
    np.add.at(means, labels, rows.values)
    means /= np.maximum(counts, 1)[:, None]
    rest = rows.values - means[labels]
    values, vectors = np.linalg.eigh(rest.T @ rest / len(rest))
    values, means, rest = np.maximum(values, 0), means @ vectors, rest @ vectors
    prior = np.log(np.maximum(counts, 0.5) / len(labels))
    shrinkage, scale = _UNTOLD
    least = np.inf
    some = counts[labels] > 1
    for tried in _SHRINKAGES if some.any() else ():
        precision = 1 / ((1 - tried) * values + tried)
        left_out = _left_out(rest, means, labels, precision=precision, weight=1 - tried)[some] + prior
        for factor in _SCALES:
            if (loss := _cross_entropy(factor * left_out, labels[some])) < least:
                least, shrinkage, scale = loss, tried, factor
    precise = means / ((1 - shrinkage) * values + shrinkage)
    kernel, bias = rows.on_features(
        scale * vectors @ precise.T, scale * (prior - (precise * means).sum(1) / 2)
    )
    if is_binary:
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    return kernel.astype("float32"), bias.astype("float32")


def _left_out(
    rest: np.ndarray, means: np.ndarray, labels: np.ndarray, *, precision: np.ndarray, weight: float
) -> np.ndarray:
    """Return minus half of each image's squared distance from each class, fitted to all other images, `[n, classes]`.

    Without an image its class has another mean, and the shared covariance one product of that image's rest with itself
    less, so that the inverse is known from the one of all images.

    Args:
        rest: What images have beside the mean of their class, `[n, F]`, where all covariances are diagonal.
        means: `[classes, F]`.
        labels: int `[n]`.
        precision: Inverse of the shrunk covariance, `[F]`.
        weight: Of the images' own covariance in it.
    """
    everyone = np.arange(len(rest))
    counts = np.bincount(labels, minlength=len(means))[labels]
    others = np.maximum(counts - 1, 1)
    precise = rest * precision
    own = (precise * rest).sum(1)
    between = (means * precision) @ means.T
    along = precise @ means.T
    along = along[everyone, labels][:, None] - along
    squares = np.diag(between)
    distances = own[:, None] + 2 * along + (squares[labels][:, None] - 2 * between[labels] + squares)
    share = weight * counts / (len(rest) * others)
    remaining = np.maximum(1 - share * own, LEAST_REST)
    distances += (share / remaining)[:, None] * (own[:, None] + along) ** 2
    distances[everyone, labels] = (counts / others) ** 2 * own / remaining
    return -distances / 2


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cross-entropy; n images cannot show that a class is surer than n to 1."""
    smooth = 1 / (len(labels) + 1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    told = (1 - smooth) * shifted[np.arange(len(labels)), labels] + smooth * shifted.mean(axis=1)
    return float((np.log(np.exp(shifted).sum(1)) - told).mean())
