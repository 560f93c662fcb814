"""Linear discriminant analysis of features, as far shrunk as leaving out each image tells."""

from __future__ import annotations

import numpy as np

from stamp_tf.training.standard_rows import LEAST_REST

_SHRINKAGES = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
_SCALES = 2.0 ** np.arange(-8, 1.5, 0.5)
# Of a single image a class nothing can be left out that tells one choice from another.
_UNTOLD = (0.99, 2.0**-6)
# Images that are left out times classes: more say the same, and take minutes where classes are a thousand.
_ENOUGH = 2_000_000


def discriminants(
    x: np.ndarray, labels: np.ndarray, *, num_classes: int, shrinkage: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel `[k, classes]` and bias `[classes]` of the logits of classes that are normally distributed.

    Every class has a mean of its own; the covariance, which all share, is shrunk towards the identity.

    Args:
        x: Rows of mean 0 and variance 1, `[n, k]`.
        labels: int `[n]`; a class without a row is taken for less likely than any other.
        num_classes: Number of classes.
        shrinkage: Share of the identity in the covariance, in (0, 1].
        scale: What the logits are multiplied by.

    Source:
        Friedman 1989, Regularized Discriminant Analysis.
    """
    counts, means = _means(x, labels, num_classes)
    rest = x - means[labels]
    covariance = (1 - shrinkage) * (rest.T @ rest) / len(x) + shrinkage * np.eye(x.shape[1])
    kernel = np.linalg.solve(covariance, means.T)
    return scale * kernel, scale * (_prior(counts) - (means * kernel.T).sum(1) / 2)


def best_shrinkage(x: np.ndarray, labels: np.ndarray, *, num_classes: int) -> tuple[float, float]:
    """Return the shrinkage and the scale of least cross-entropy for images that are left out, each in turn.

    Args:
        x: Rows of mean 0 and variance 1, `[n, k]`.
        labels: int `[n]`.
        num_classes: Number of classes.
    """
    counts, means = _means(x, labels, num_classes)
    rest = x - means[labels]
    values, vectors = np.linalg.eigh(rest.T @ rest / len(x))
    values, means, rest = np.maximum(values, 0), means @ vectors, rest @ vectors
    some = np.random.default_rng(0).permutation(np.flatnonzero(counts[labels] > 1))
    some = some[: max(1, _ENOUGH // num_classes)]
    best, least = _UNTOLD, np.inf
    for shrinkage in _SHRINKAGES if len(some) else ():
        precision = 1 / ((1 - shrinkage) * values + shrinkage)
        distances = _left_out(
            rest[some],
            labels[some],
            means=means,
            counts=counts,
            precision=precision,
            weight=(1 - shrinkage) / len(x),
        )
        for scale in _SCALES:
            loss = _cross_entropy(scale * (_prior(counts) - distances / 2), labels[some])
            if loss < least:
                best, least = (shrinkage, float(scale)), loss
    return best


def _left_out(
    rest: np.ndarray,
    labels: np.ndarray,
    *,
    means: np.ndarray,
    counts: np.ndarray,
    precision: np.ndarray,
    weight: float,
) -> np.ndarray:
    """Return each image's squared distance from each class, fitted to all other images, `[n, classes]`.

    Without an image its class has another mean, and the shared covariance one product of that image's rest with itself
    less, so that its inverse is known from the one of all images (Sherman & Morrison 1950).

    Args:
        rest: What images have beside the mean of their class, `[n, k]`, where the covariance is diagonal.
        labels: int `[n]`, of classes of two images and more.
        means: `[classes, k]`.
        counts: Images by class, `[classes]`.
        precision: Inverse of the shrunk covariance, `[k]`.
        weight: Of one image's product in it.
    """
    everyone = np.arange(len(rest))
    others = counts[labels] - 1
    precise = rest * precision
    own = (precise * rest).sum(1)
    between = (means * precision) @ means.T
    along = precise @ means.T
    along = along[everyone, labels][:, None] - along
    squares = np.diag(between)
    distances = own[:, None] + 2 * along + (squares[labels][:, None] - 2 * between[labels] + squares)
    share = weight * counts[labels] / others
    remaining = np.maximum(1 - share * own, LEAST_REST)
    distances += (share / remaining)[:, None] * (own[:, None] + along) ** 2
    distances[everyone, labels] = (counts[labels] / others) ** 2 * own / remaining
    return distances


def _means(x: np.ndarray, labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rows a class has, `[classes]`, and their mean, `[classes, k]`."""
    counts = np.bincount(labels, minlength=num_classes)
    means = np.zeros((num_classes, x.shape[1]))
    np.add.at(means, labels, x)
    return counts, means / np.maximum(counts, 1)[:, None]


def _prior(counts: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(counts, 0.5) / counts.sum())


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cross-entropy; n images cannot show that a class is surer than n to 1."""
    smooth = 1 / (len(labels) + 1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    told = (1 - smooth) * shifted[np.arange(len(labels)), labels] + smooth * shifted.mean(axis=1)
    return float((np.log(np.exp(shifted).sum(1)) - told).mean())
