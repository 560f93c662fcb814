"""Carry weights from one network to another of the same backbone."""

import keras
from keras import ops

from stamp_tf.channels.derived_state import derive_state
from stamp_tf.errors import StampError


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
