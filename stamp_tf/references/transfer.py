"""Carry weights from one network to another of the same backbone."""

import keras
import numpy as np
from keras import ops

from stamp_tf.channels.derived_state import derive_state
from stamp_tf.errors import StampError


def transfer_first_outputs(source: keras.Model, target: keras.Model) -> None:
    """Copy of every weight that has more or fewer outputs in one of two networks those that both have.

    Args:
        source: The trained network.
        target: The network that receives; its first classes are those of the source.
    """
    values = {weight.path: ops.convert_to_numpy(weight) for weight in source.weights}
    for weight in target.weights:
        value = values.get(weight.path)
        if value is not None and value.shape != weight.shape and value.shape[:-1] == weight.shape[:-1]:
            count = min(value.shape[-1], weight.shape[-1])
            after = np.array(ops.convert_to_numpy(weight))
            after[..., :count] = value[..., :count]
            weight.assign(after)


def transfer_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy every weight that has the same path and shape; a head for other classes keeps its own.

    Args:
        source: The trained network.
        target: The network that receives.

    Raises:
        StampError: If nothing fits.
    """
    values = {weight.path: weight for weight in source.weights}
    fitting = [
        weight for weight in target.weights if getattr(values.get(weight.path), "shape", None) == weight.shape
    ]
    if not fitting:
        raise StampError(
            "The backbone must name its layers alike each time it is built, but no weight's path fits."
        )
    for weight in fitting:
        # A copy, because JAX assigns the array itself, and Keras' predict there gives away what it was called with.
        weight.assign(ops.copy(values[weight.path]))
    derive_state(target)
