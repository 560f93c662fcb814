"""The permutation-equivariant layer of Deep Sets."""

from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]

POOLINGS = ("mean", "max")


@keras.saving.register_keras_serializable(package="stamp_tf")
class PermutationEquivariant(keras.layers.Layer):
    """y = activation(G x - L pool(x) + bias): each element, less what the set has in common.

    [..., n, d] -> [..., n, units]. Time and memory grow linearly with n.

    Args:
        units: Number of features of the result.
        pooling: What pool takes over the set, "mean" or "max".
        activation: Name of a Keras activation, or None.

    Raises:
        ValueError: If `pooling` is none of these.

    Source:
        Zaheer et al., "Deep Sets", NIPS 2017 (section 3.2).

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.permutation_equivariant import PermutationEquivariant
        >>> tuple(PermutationEquivariant(8)(np.zeros((7, 3), "float32")).shape)
        (7, 8)
    """

    def __init__(
        self, units: int, pooling: str = "mean", *, activation: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if pooling not in POOLINGS:
            raise ValueError(
                f"pooling must be one of {', '.join(POOLINGS)}, but it is {pooling!r}; choose one of these."
            )
        self.units = units
        self.pooling = pooling
        self.activation = keras.activations.get(activation)
        self.element_projection = keras.layers.Dense(units, name="element", dtype=self.dtype_policy)
        self.set_projection = keras.layers.Dense(units, use_bias=False, name="set", dtype=self.dtype_policy)

    def build(self, inputs_shape: Shape) -> None:
        self.element_projection.build(inputs_shape)
        self.set_projection.build(inputs_shape)

    def call(self, inputs: Any) -> Any:
        pool = ops.mean if self.pooling == "mean" else ops.max
        common = self.set_projection(pool(inputs, axis=-2, keepdims=True))
        return self.activation(self.element_projection(inputs) - common)

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        return (*inputs_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "pooling": self.pooling,
            "activation": keras.activations.serialize(self.activation),
        }
