"""Recalibrate batch-norm statistics, which a mask shifts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import compile_step
from stamp_tf.channels.graph import flat_layers
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet
from stamp_tf.finite import require_finite
from stamp_tf.tensor import Tensor
from stamp_tf.training.forward import forward

_BATCH_SIZE = 128
_NUM_BATCHES = 16


class Recalibration:
    """Sets the moving mean and variance of every batch normalisation to the average over batches, as often as wanted.

    Those inside other layers are among them. One that is called several times in a pass has its last call's.

    The network runs in training mode on each batch; the moving values become the plain average of the batches' own.

    Args:
        model: The network. Its pass is compiled at the first call.

    Source:
        Yu & Huang 2019 (section 3.2, post-statistics of batch normalisation).
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._norms = [
            layer for layer in flat_layers(model) if isinstance(layer, keras.layers.BatchNormalization)
        ]
        measured = {
            id(moving) for layer in self._norms for moving in (layer.moving_mean, layer.moving_variance)
        }
        self._places = [
            place for place, variable in enumerate(model.non_trainable_variables) if id(variable) in measured
        ]
        self._measure = compile_step(self._measured, model.variables)

    def __call__(self, batches: Iterable[np.ndarray]) -> None:
        """Overwrite the statistics.

        Args:
            batches: Normalised images, float32 `[B, H, W, D]` each, large enough for statistics; none measure
                nothing.

        Raises:
            NotFiniteError: If a mean or variance is not finite; all of them then stay as they were.
        """
        averages: list[np.ndarray] = []
        for index, images in enumerate(batches if self._places else ()):
            values = [ops.convert_to_numpy(value) for value in self._measure(images)]
            averages = averages or [np.zeros_like(value) for value in values]
            averages = [old + (new - old) / (index + 1) for old, new in zip(averages, values, strict=True)]
        if not averages:
            return
        variables = [self._model.non_trainable_variables[place] for place in self._places]
        require_finite(
            {variable.path: value for variable, value in zip(variables, averages, strict=True)},
            subject="Statistics of batch normalisation",
            remedy="the network's activations overflow; train at a smaller `learning_rate`, or use another network",
        )
        for variable, value in zip(variables, averages, strict=True):
            variable.assign(value)

    def _measured(self, images: Tensor) -> list[Tensor]:
        """Return what the statistics are of one batch."""
        model = self._model
        weights, others = model.trainable_variables, model.non_trainable_variables
        with self._of_one_batch():
            _, moved = forward(
                model, [weight.value for weight in weights], [other.value for other in others], images=images
            )
        return [moved[place] for place in self._places]

    @contextmanager
    def _of_one_batch(self) -> Iterator[None]:
        """Let moving values be those of the batch alone while the pass is traced."""
        momenta = [layer.momentum for layer in self._norms]
        for layer in self._norms:
            layer.momentum = 0.0
        try:
            yield
        finally:
            for layer, momentum in zip(self._norms, momenta, strict=True):
                layer.momentum = momentum


def recalibrate_statistics(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Recalibrate a network once, see `Recalibration`.

    Args:
        model: The network; its statistics are overwritten.
        batches: Normalised images, float32 `[B, H, W, D]` each; of none nothing is measured.

    Raises:
        NotFiniteError: If a mean or variance is not finite; all of them then stay as they were.
    """
    Recalibration(model)(batches)


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
