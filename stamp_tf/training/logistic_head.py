"""A classification head by logistic regression of the classes on pooled features."""

from __future__ import annotations

from functools import partial

import numpy as np

from stamp_tf.training.discriminants import best_shrinkage, discriminants
from stamp_tf.training.standard_rows import StandardRows

_PULLS = 10.0 ** np.arange(0.5, -4.5, -0.5)
_FOLDS = 5
# Images times classes from which one part of them is held out and not each in turn.
_MANY = 200_000
_STEPS = 30
_STILL = 3e-3
# A pull whose loss is so much above the least ends the search.
_WORSE = 1.01

Weights = tuple[np.ndarray, np.ndarray]
"""Kernel `[k, folds, classes]` and bias `[folds, classes]`."""


def logistic_head(
    features: np.ndarray, labels: np.ndarray, *, num_classes: int, is_binary: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel `[F, classes]` and bias `[classes]` of a logistic regression, `[F, 1]` and `[1]` of two classes.

    It is drawn towards linear discriminants, which say more where images are few, and by as much as gives images that
    are held out the least cross-entropy.

    Args:
        features: `[n, F]`.
        labels: int `[n]`.
        num_classes: Number of classes.
        is_binary: Whether one logit, that of the second class, stands for two classes.

    Source:
        Efron 1975 on when which of the two is better.
    """
    rows = StandardRows(features)
    x = rows.values
    shrinkage, scale = best_shrinkage(x, labels, num_classes=num_classes)
    fit = partial(discriminants, num_classes=num_classes, shrinkage=shrinkage, scale=scale)
    kernel, bias = fit(x, labels)
    if np.bincount(labels).max() > 1:
        regression = _Regression(x, labels, num_classes)
        held_out = _held_out(labels, many=len(x) * num_classes > _MANY)
        without = [fit(x[~fold], labels[~fold]) for fold in held_out.T]
        if pull := regression.best_pull(_stacked(without), held_out):
            start = _stacked([(kernel, bias)])
            everyone = np.ones((len(x), 1), bool)
            fitted = regression.fit(
                start, start, rows=everyone, pull=pull, steps=2 * _STEPS, still=_STILL / 5
            )
            kernel, bias = fitted[0][:, 0], fitted[1][0]
    kernel, bias = rows.on_features(kernel, bias)
    if is_binary:
        kernel, bias = kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]
    return kernel.astype("float32"), bias.astype("float32")


class _Regression:
    """Logistic regressions of the same rows, several at a time.

    Args:
        x: `[n, k]`.
        labels: int `[n]`.
        num_classes: Number of classes.
    """

    def __init__(self, x: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
        values, self._vectors = np.linalg.eigh(x.T @ x)
        self._squares = np.maximum(values, 0)
        self._x = x @ self._vectors
        self._labels = labels
        # So many images cannot show that a class is surer than as many to 1.
        smooth = 1 / (len(x) + 1)
        self._targets = (1 - smooth) * np.eye(num_classes)[labels] + smooth / num_classes

    def best_pull(self, starts: Weights, held_out: np.ndarray) -> float:
        """Return how far to draw towards the start for the least loss on what is held out; 0 is to stay there.

        Args:
            starts: Of the fit without each fold.
            held_out: bool `[n, folds]`, an image at most once.
        """
        image, fold = np.nonzero(held_out)

        def loss(weights: Weights) -> float:
            logits = self._logits(self._turned(weights))[image, fold]
            return float(-_log_softmax(logits)[np.arange(len(image)), self._labels[image]].mean())

        least, best, weights = loss(starts), 0.0, starts
        for pull in _PULLS:
            weights = self.fit(starts, weights, rows=~held_out, pull=pull, steps=_STEPS, still=_STILL)
            if (now := loss(weights)) < least:
                least, best = now, pull
            elif now > _WORSE * least:
                break
        return best

    def fit(
        self, anchor: Weights, weights: Weights, *, rows: np.ndarray, pull: float, steps: int, still: float
    ) -> Weights:
        """Return weights of least cross-entropy plus half of `pull` times the squared distance from an anchor.

        Each step minimises a bound of the loss, which is a parabola along every principal direction of the rows.

        Args:
            anchor: What the weights are drawn towards.
            weights: To begin at.
            rows: Which images each regression sees, bool `[n, folds]`.
            pull: How strongly.
            steps: At most.
            still: Relative change of the kernel that ends them.

        Source:
            Boehning 1992, Multinomial logistic regression algorithm (the bound); Nesterov 1983 and O'Donoghue & Candes
            2015 (steps that gather momentum and give it up).
        """
        centre, (kernel, bias) = self._turned(anchor)[0], self._turned(weights)
        share = rows / rows.sum(0)
        most = share.max() / 2
        length = 1 / (most * self._squares + pull)[:, None, None]
        ahead, ahead_bias, pace = kernel, bias, 1.0
        for _ in range(steps):
            error = np.exp(_log_softmax(self._logits((ahead, ahead_bias)))) - self._targets[:, None]
            error *= share[:, :, None]
            slope = (self._x.T @ error.reshape(len(error), -1)).reshape(ahead.shape)
            after = ahead - length * (slope + pull * (ahead - centre))
            after_bias = ahead_bias - error.sum(0) / (most * len(error))
            change = after - kernel
            if ((ahead - after) * change).sum() > 0:
                pace = 1.0
            before, pace = pace, (1 + np.sqrt(1 + 4 * pace**2)) / 2
            momentum = (before - 1) / pace
            ahead, ahead_bias = after + momentum * change, after_bias + momentum * (after_bias - bias)
            kernel, bias = after, after_bias
            if np.square(change).sum() <= still**2 * np.square(kernel).sum():
                break
        return np.tensordot(self._vectors, kernel, 1), bias

    def _turned(self, weights: Weights) -> Weights:
        """Return weights on principal directions."""
        return np.tensordot(self._vectors.T, weights[0], 1), weights[1]

    def _logits(self, weights: Weights) -> np.ndarray:
        """Return logits `[n, folds, classes]` of weights on principal directions."""
        return np.tensordot(self._x, weights[0], 1) + weights[1]


def _held_out(labels: np.ndarray, *, many: bool) -> np.ndarray:
    """Return which images each fold leaves out, bool `[n, folds]`: as many of every class as of any other."""
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = min(_FOLDS, int(np.bincount(labels).max()))
    place = np.empty(len(labels), int)
    place[order] = np.arange(len(labels)) % folds
    return place[:, None] == np.arange(1 if many else folds)


def _stacked(weights: list[tuple[np.ndarray, np.ndarray]]) -> Weights:
    return np.stack([kernel for kernel, _ in weights], axis=1), np.stack([bias for _, bias in weights])


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
