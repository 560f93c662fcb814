"""A layer that stamp-tf does not know, and the rule that tells it how channels pass through."""

import keras

from stamp_tf.channels import Call


@keras.saving.register_keras_serializable(package="acorn")
class Scale(keras.layers.Layer):
    """Multiply every channel by a learnt factor of its own, 1 at first."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the factors, one per channel."""
        self.factor = self.add_weight((input_shape[-1],), initializer="ones", name="factor")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Scale features `[..., C]`."""
        return x * self.factor


def scale_rule(call: Call) -> None:
    """Say that a factor goes with its channel, and that the channels come out as they went in."""
    call.follow(call.layer.factor, 0, call.channels)
    call.write(call.channels)
