"""Recalibrate batch-norm statistics, which a mask shifts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import keras
import numpy as np

from stamp_tf.channels.graph import layers_within
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet
from stamp_tf.finite import require_finite

_BATCH_SIZE = 128
_NUM_BATCHES = 16


def recalibrate_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Set the moving mean and variance of every batch normalisation to the average over batches.

    The network runs in training mode on each batch; with momentum k/(k+1) at batch k, the moving values are
    the plain average of the batches' own.

    Args:
        model: The network; its statistics are overwritten.
        batches: Normalised images, float32 `[B, H, W, D]` each, large enough for statistics.

    Raises:
        NotFiniteError: If a mean or variance is not finite; all of them then stay as they were measured last.

    Source:
        Yu & Huang 2019 (section 3.2, post-statistics of batch normalisation).
    """
    norms = [layer for layer in layers_within(model) if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    averages: list[list[np.ndarray]] = []
    try:
        for layer in norms:
            layer.momentum = 0.0
        for index, images in enumerate(batches):
            model(images, training=True)
            values = [[np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)] for layer in norms]
            if index == 0:
                averages = values
            else:
                averages = [
                    [old + (new - old) / (index + 1) for old, new in zip(pair, fresh, strict=True)]
                    for pair, fresh in zip(averages, values, strict=True)
                ]
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
    measured = {
        f"{layer.path}/{name}": value
        for layer, pair in zip(norms, averages, strict=False)
        for name, value in zip(("moving_mean", "moving_variance"), pair, strict=True)
    }
    require_finite(
        measured,
        subject="Statistics of batch normalisation",
        remedy="the network's activations overflow; train at a smaller `learning_rate`, or use another network",
    )
    for layer, (mean, variance) in zip(norms, averages, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def statistics_images(
    images: ImageSet | StreamedSet, normalization: Normalization, *, seed: int
) -> Iterator[np.ndarray]:
    """Yield a few batches of training images as they are, for `recalibrate_statistics`.

    Args:
        images: Where to draw from.
        normalization: Of the data set.
        seed: Decides which.
    """
    batches = Batches(
        images, _BATCH_SIZE, normalization=normalization, seed=seed, augment=False, shuffle=True
    )
    for batch, _ in islice(batches.epoch(0), _NUM_BATCHES):
        yield batch
