"""Whether inputs have the scale that a network was trained on, as its batch-norm statistics have it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.refit.walk import Network

logger = logging.getLogger(__name__)

FEWEST_INPUTS = 8
"""Of fewer a deviation says little."""

# Photographs, signs, street numbers and digits come to 0.6 to 1.9 times and 1.0 deviations at the right scale of four
# networks; pixels in [0, 1] to 0.17 to 0.42 where ImageNet's mean and deviation are right, to 0.003 where [0, 255] is.
_FACTOR = 3.0
_DEVIATIONS = 3.0
_LEAST = 1e-9
# Of the largest variance: channels below it say nothing.
_DEAD = 1e-4
_NORMALIZATIONS = (
    *(layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization),
    *(layers.UnitNormalization, layers.RMSNormalization),
)


@dataclass(frozen=True, kw_only=True)
class SeenScale:
    """What reaches one of the first batch normalisations of a network, each figure the median over channels.

    Args:
        layer: Its name.
        deviation: Of what it reads.
        expected: The deviation that its moving variance stands for.
        ratio: Deviation / that expected.
        shift: By how many expected deviations means are off.
    """

    layer: str
    deviation: float
    expected: float
    ratio: float
    shift: float

    @property
    def is_far(self) -> bool:
        """Whether it is further off than other images of the same scale are."""
        return not 1 / _FACTOR <= self.ratio <= _FACTOR or self.shift > _DEVIATIONS

    def in_words(self) -> str:
        """Return what is wrong as part of a sentence."""
        figures = f"(layer {self.layer!r}: deviation {self.deviation:.3g} against {self.expected:.3g})"
        if 1 / _FACTOR <= self.ratio <= _FACTOR:
            off = f"shifted by {self.shift:.1f} deviations from what"
        else:
            is_larger = self.ratio > 1
            factor = self.ratio if is_larger else 1 / max(self.ratio, _LEAST)
            off = f"{factor:.3g} times {'larger' if is_larger else 'smaller'} than"
        return f"{off} the network's batch-norm statistics expect {figures}"


def warn_of_scale(model: keras.Model, inputs: Any, *, subject: str, remedy: str) -> None:
    """Log a warning with figures where inputs are far from the scale that a network was trained on.

    Args:
        model: A functional or sequential model.
        inputs: Some examples, nested as it takes them.
        subject: What they are called, such as `Inputs`.
        remedy: What to do about it.
    """
    far = [seen for seen in seen_scales(model, inputs) if seen.is_far]
    if far:
        worst = max(far, key=lambda seen: abs(math.log(max(seen.ratio, _LEAST))))
        logger.warning("%s", in_words_of_the_caller(f"{subject} look {worst.in_words()}; {remedy}."))


def seen_scales(model: keras.Model, inputs: Any) -> tuple[SeenScale, ...]:
    """Return what reaches the batch normalisations in front of which there is no other normalisation.

    Args:
        model: A functional or sequential model.
        inputs: Some examples, nested as it takes them; of fewer than 8 nothing is said.
    """
    if len(keras.tree.flatten(inputs)[0]) < FEWEST_INPUTS:
        return ()
    network = Network(model)
    values, begin, found = network.start(inputs), 0, []
    for place in _first_normalizations(network):
        values, begin = network.run(values, begin, place), place
        call = network.calls[place]
        read = ops.convert_to_numpy(ops.cast(values[id(call.input_tensors[0])], "float32"))
        if (seen := _compared(call.operation, read.astype("float64"))) is not None:
            found.append(seen)
    return tuple(found)


def _first_normalizations(network: Network) -> Iterator[int]:
    """Yield the places of batch normalisations that no other normalisation is in front of."""
    behind: set[int] = set()
    for place, call in enumerate(network.calls):
        is_behind = any(id(tensor) in behind for tensor in call.input_tensors)
        if is_behind or isinstance(call.operation, _NORMALIZATIONS):
            behind.update(id(tensor) for tensor in call.outputs)
        if not is_behind and isinstance(call.operation, layers.BatchNormalization):
            yield place


def _compared(layer: Any, read: np.ndarray) -> SeenScale | None:
    """Compare what a layer reads with its statistics; None where these were never measured."""
    mean, variance = (ops.convert_to_numpy(each) for each in (layer.moving_mean, layer.moving_variance))
    if not np.any(mean) and np.all(variance == 1):
        return None
    axes = tuple(axis for axis in range(read.ndim) if axis != layer.axis % read.ndim)
    is_alive = variance > _DEAD * variance.max()
    if not is_alive.any():
        return None
    expected = np.sqrt(variance[is_alive].astype("float64"))
    deviation, mean_read = read.std(axes)[is_alive], read.mean(axes)[is_alive]
    return SeenScale(
        layer=layer.name,
        deviation=float(np.median(deviation)),
        expected=float(np.median(expected)),
        ratio=float(np.median(deviation / expected)),
        shift=float(np.median(np.abs(mean_read - mean[is_alive]) / expected)),
    )
