"""The Set Transformer as STAMP stacks it."""

from typing import Any

import keras
from keras import ops

from stamp_tf.errors import StampError
from stamp_tf.layers.attention import ISAB, PMA, SAB
from stamp_tf.set_encoders.set_encoder import SetEncoder, require_positive

_MOST_POINTS = 4096


@keras.saving.register_keras_serializable(package="stamp_tf")
class SetTransformer(SetEncoder):
    """Attention over a set of images: rF(AE(Pool_r(AE(AE(X))))), Eq. 9 of STAMP.

    Flattened images are projected to `width`, pass `num_blocks` attention blocks and are pooled by r seeds;
    what the seeds found attends to itself once and is projected to the pixels of r pseudo-images. Blocks with
    inducing points (ISAB) have memory linear in B; with none (SAB), quadratic, as published.

    Args:
        num_outputs: r, the number of pseudo-images.
        width: Number of features per element.
        num_heads: Number of attention heads; must divide `width`.
        num_blocks: Number of attention blocks before pooling (2 as published).
        num_inducing_points: Inducing points per block; 0 lets every image look at every other.
        resolution: Largest side in pixels that the encoder sees, see `SetEncoder`; None for all pixels.

    Raises:
        StampError: If a count is out of range or `num_heads` does not divide `width`.

    Source:
        Lee et al., "Set Transformer", ICML 2019; Song et al., "STAMP", appendix B.1.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.set_encoders.set_transformer import SetTransformer
        >>> images = np.random.default_rng(0).normal(size=(20, 32, 32, 3)).astype("float32")
        >>> tuple(SetTransformer()(images).shape)
        (1, 32, 32, 3)
    """

    def __init__(
        self,
        *,
        num_outputs: int = 1,
        width: int = 64,
        num_heads: int = 4,
        num_blocks: int = 2,
        num_inducing_points: int = 16,
        resolution: int | None = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_outputs=num_outputs, width=width, resolution=resolution, **kwargs)
        require_positive(num_heads=num_heads, num_blocks=num_blocks)
        if width % num_heads:
            raise StampError(
                f"num_heads must divide width, but num_heads={num_heads} and width={width}; "
                "choose a width that is a multiple of num_heads."
            )
        if not 0 <= num_inducing_points <= _MOST_POINTS:
            raise StampError(
                f"num_inducing_points must be at least 0 and at most {_MOST_POINTS}, but it is "
                f"{num_inducing_points}; give a positive number, or 0 for full attention."
            )
        self.num_heads = num_heads
        self.num_blocks = num_blocks
        self.num_inducing_points = num_inducing_points
        shared = {"num_heads": num_heads, "dtype": self.dtype_policy}
        self.input_projection = keras.layers.Dense(width, name="input", dtype=self.dtype_policy)
        if num_inducing_points:
            self.blocks = [
                ISAB(width, num_inducing_points=num_inducing_points, name=f"block_{index}", **shared)
                for index in range(num_blocks)
            ]
        else:
            self.blocks = [SAB(width, name=f"block_{index}", **shared) for index in range(num_blocks)]
        self.pool = PMA(width, num_seeds=num_outputs, name="pool", **shared)
        self.output_block = SAB(width, name="output_block", **shared)

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        rows, columns, depth = coarse_shape
        self.input_projection.build((None, rows * columns * depth))
        elements = (None, self.width)
        for block in self.blocks:
            block.build(elements)
        self.pool.build(elements)
        self.output_block.build((self.num_outputs, self.width))

    def features(self, coarse: Any, training: bool) -> Any:
        rows, columns, depth = self.coarse_shape
        elements = self.input_projection(ops.reshape(coarse, (-1, rows * columns * depth)))
        for block in self.blocks:
            elements = block(elements)
        return self.output_block(self.pool(elements))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "num_blocks": self.num_blocks,
            "num_inducing_points": self.num_inducing_points,
        }
