"""Statistics of batch normalisation that are right for a refitted network, and change nothing of what it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.refit.walk import Network


def settle_statistics(network: Network, batches: Callable[[], Iterable[Any]]) -> None:
    """Give batch normalisations the mean and variance of what they read; scale and shift take up the difference.

    What the network writes in inference stays the same. Without this, training would start from another network: by
    each batch's statistics, where those of the full network were fitted to.

    Args:
        network: The refitted one; it is changed.
        batches: Returns inputs as it takes them, batch by batch, the same ones at every call.
    """
    found = {place: _Moments(call.operation) for place, call in enumerate(network.calls) if _is_settled(call)}
    # A layer that is called several times has the statistics of all calls.
    shared = {id(one.layer): one for one in found.values()}
    for inputs in batches() if found else ():
        values, begin = network.start(inputs), 0
        for place, moments in found.items():
            values, begin = network.run(values, begin, place), place
            shared[id(moments.layer)].add(values[id(network.calls[place].input_tensors[0])])
    for moments in shared.values():
        moments.settle()


def _is_settled(call: Any) -> bool:
    """Return whether a call goes by the statistics of batches in training, and has what makes up for others."""
    layer = call.operation
    is_norm = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    return is_norm and layer.scale and layer.center


class _Moments:
    """Mean and variance of what one batch normalisation reads, batch by batch."""

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self.layer = layer
        self._count = 0
        self._mean, self._variance = (
            np.asarray(ops.convert_to_numpy(value), "float64")
            for value in (layer.moving_mean, layer.moving_variance)
        )
        # Of the distance from the mean so far, which keeps differences of large numbers out of the sums.
        self._first, self._second = np.zeros_like(self._mean), np.zeros_like(self._mean)

    def add(self, inputs: Any) -> None:
        axes = [axis for axis in range(len(inputs.shape)) if axis != self.layer.axis % len(inputs.shape)]
        means, variances = (
            np.asarray(ops.convert_to_numpy(one), "float64") for one in ops.moments(inputs, axes)
        )
        count = int(np.prod([inputs.shape[axis] for axis in axes]))
        self._count += count
        self._first += count * (means - self._mean)
        self._second += count * (variances + np.square(means - self._mean))

    def settle(self) -> None:
        if not self._count:
            return
        layer, distance = self.layer, self._first / self._count
        variance = np.maximum(self._second / self._count - np.square(distance), 0.0)
        gamma, beta = (np.asarray(ops.convert_to_numpy(one), "float64") for one in (layer.gamma, layer.beta))
        factor = gamma / np.sqrt(self._variance + layer.epsilon)
        layer.beta.assign(beta + factor * distance)
        layer.gamma.assign(factor * np.sqrt(variance + layer.epsilon))
        layer.moving_mean.assign(self._mean + distance)
        layer.moving_variance.assign(variance)
