"""Single weights that are 0 and stay so, as a compiled step holds them."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import ops

from stamp_tf.tensor import Tensor
from stamp_tf.weight_mask import WeightMask


@dataclass(frozen=True)
class HeldWeights:
    """A kernel, and which of its weights may be other than 0.

    Args:
        kernel: The kernel.
        mask: Truth values of its shape; a variable, so that no step has them as constants.
    """

    kernel: keras.Variable
    mask: keras.Variable

    @property
    def values(self) -> Tensor:
        """The mask as numbers in the kernel's type."""
        return ops.cast(self.mask.value, self.kernel.dtype)


def hold(model: keras.Model, weights: WeightMask) -> tuple[HeldWeights, ...]:
    """Return the kernels of a mask as a step holds them.

    Args:
        model: The network.
        weights: Which of its weights stay.

    Raises:
        StampError: If the mask is of another network.
    """
    return tuple(
        HeldWeights(kernel, keras.Variable(kept, trainable=False, dtype="bool", name="kept"))
        for kernel, kept in weights.variables_of(model)
    )
