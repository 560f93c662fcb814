"""A dense layer with a learnt gate for each of its outputs."""

import keras
from keras import ops

from stamp_tf.channels import Call


@keras.saving.register_keras_serializable(package="acorn")
class Gated(keras.layers.Layer):
    """Mix features and multiply each result by the sigmoid of a number of its own.

    Args:
        units: Number of outputs.
        **options: Of every Keras layer.
    """

    def __init__(self, units: int, **options: object) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the kernel `[features, units]` and the gates `[units]`."""
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.gate = self.add_weight((self.units,), initializer="zeros", name="gate")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Map features `[..., features]` to `[..., units]`."""
        return ops.matmul(x, self.kernel) * ops.sigmoid(self.gate)

    def get_config(self) -> dict[str, object]:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}


def gated_rule(call: Call) -> None:
    """Read along the kernel's first axis, make along its second, a gate with each."""
    call.read(call.layer.kernel, 0, call.channels)
    made = call.make(call.layer.kernel, 1, call.layer.gate)
    call.count("units", made)
    call.write(made)
