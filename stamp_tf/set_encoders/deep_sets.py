"""Deep Sets as a set encoder: no attention, the cheapest per image."""

from typing import Any

import keras
from keras import ops

from stamp_tf.errors import StampError
from stamp_tf.layers.permutation_equivariant import POOLINGS, PermutationEquivariant
from stamp_tf.set_encoders.set_encoder import SetEncoder, require_positive


@keras.saving.register_keras_serializable(package="stamp_tf")
class DeepSets(SetEncoder):
    """A network per image, one pooling over the set, and a network on what was pooled.

    Flattened images are projected to `width`, pass `num_blocks` permutation-equivariant layers and are
    pooled; a network makes r vectors of the result, and r pseudo-images of these. Memory is linear in B.

    Args:
        num_outputs: r, the number of pseudo-images.
        width: Number of features per element.
        num_blocks: Number of permutation-equivariant layers before pooling.
        pooling: How the set is pooled, "mean" or "max".
        resolution: Largest side in pixels that the encoder sees, see `SetEncoder`; None for all pixels.

    Raises:
        StampError: If a count is not positive or `pooling` is unknown.

    Source:
        Zaheer et al., "Deep Sets", NIPS 2017.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.set_encoders.deep_sets import DeepSets
        >>> images = np.random.default_rng(0).normal(size=(20, 32, 32, 3)).astype("float32")
        >>> tuple(DeepSets(num_outputs=2)(images).shape)
        (2, 32, 32, 3)
    """

    def __init__(
        self,
        *,
        num_outputs: int = 1,
        width: int = 64,
        num_blocks: int = 2,
        pooling: str = "mean",
        resolution: int | None = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_outputs=num_outputs, width=width, resolution=resolution, **kwargs)
        require_positive(num_blocks=num_blocks)
        if pooling not in POOLINGS:
            raise StampError(
                f"pooling must be one of {', '.join(POOLINGS)}, but it is {pooling!r}; choose one of these."
            )
        self.num_blocks = num_blocks
        self.pooling = pooling
        policy = self.dtype_policy
        self.input_projection = keras.layers.Dense(width, activation="relu", name="input", dtype=policy)
        self.blocks = [
            PermutationEquivariant(width, pooling, activation="relu", name=f"block_{index}", dtype=policy)
            for index in range(num_blocks)
        ]
        self.hidden = keras.layers.Dense(width, activation="relu", name="hidden", dtype=policy)
        self.outputs = keras.layers.Dense(num_outputs * width, name="outputs", dtype=policy)
        # Pooling over many images shrinks whatever differs between sets; the norm brings it back to order 1.
        self.output_norm = keras.layers.LayerNormalization(name="output_norm", dtype=policy)

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        rows, columns, depth = coarse_shape
        self.input_projection.build((None, rows * columns * depth))
        for block in self.blocks:
            block.build((None, self.width))
        self.hidden.build((1, self.width))
        self.outputs.build((1, self.width))
        self.output_norm.build((self.num_outputs, self.width))

    def features(self, coarse: Any, training: bool) -> Any:
        rows, columns, depth = self.coarse_shape
        elements = self.input_projection(ops.reshape(coarse, (-1, rows * columns * depth)))
        for block in self.blocks:
            elements = block(elements)
        pool = ops.mean if self.pooling == "mean" else ops.max
        outputs = self.outputs(self.hidden(pool(elements, axis=0, keepdims=True)))
        return self.output_norm(ops.reshape(outputs, (self.num_outputs, self.width)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_blocks": self.num_blocks, "pooling": self.pooling}
