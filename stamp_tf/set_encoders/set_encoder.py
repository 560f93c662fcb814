"""What all set encoders share: coarse pixels in, pseudo-images out."""

from typing import Any

import keras
from keras import ops

from stamp_tf.errors import StampError

Shape = tuple[int | None, ...]


class SetEncoder(keras.layers.Layer):
    """A set of images [B, H, W, D] -> r pseudo-images [r, H, W, D] (Eq. 3 and 5 of STAMP).

    Images are float32, normalised to zero mean and unit deviation per colour; at the start pseudo-images are
    of that order as well, so that a backbone can be probed with them. The order of the set does not matter,
    B >= 1 is free from call to call.

    A subclass turns coarse images into features: `build_features(coarse_shape)` builds its weights,
    `features(coarse, training)` maps [B, h, w, D] to [r, width]. A set encoder of your own need not derive
    from this class: the contract is the first line, and a complete `get_config`.

    The published encoder works on all pixels. Here images larger than `resolution` are first averaged over
    blocks of ceil(max(H, W) / resolution) pixels a side, and the result is interpolated back: a quarter of
    the time and weights at 32x32, and weights that do not grow with the images.

    Args:
        num_outputs: r, the number of pseudo-images.
        width: Number of features per element and per result.
        resolution: Largest side in pixels that the encoder sees; None for all pixels, as published.

    Raises:
        StampError: If an option is not positive.

    Source:
        Song et al., "STAMP: Set-based Task-Adaptive Meta-Pruning", appendix B.1.
    """

    def __init__(
        self, *, num_outputs: int = 1, width: int = 64, resolution: int | None = 16, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        require_positive(num_outputs=num_outputs, width=width)
        if resolution is not None:
            require_positive(resolution=resolution)
        self.num_outputs = num_outputs
        self.width = width
        self.resolution = resolution
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        """Create the weights of `features` for coarse images of h, w, D pixels and colours."""
        raise NotImplementedError

    def features(self, coarse: Any, training: bool) -> Any:
        """Map coarse images [B, h, w, D] to features [r, width]."""
        raise NotImplementedError

    def build(self, images_shape: Shape) -> None:
        _, height, width, depth = images_shape
        if height is None or width is None or depth is None:
            raise StampError(
                "images must have a known height, width and depth, "
                f"but their shape is {tuple(images_shape)}; resize them to one size."
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: height, 2: width, 3: depth})
        self.image_shape = (height, width, depth)
        side = max(height, width)
        self.block_size = 1 if self.resolution is None else -(-side // self.resolution)
        self.coarse_shape = (-(-height // self.block_size), -(-width // self.block_size), depth)
        self.build_features(self.coarse_shape)
        rows, columns, depth = self.coarse_shape
        # LeCun's scale turns features of order 1 into pixels of order 1; Glorot's would give a grey image.
        self.pixel_projection = keras.layers.Dense(
            rows * columns * depth, kernel_initializer="lecun_normal", name="pixels", dtype=self.dtype_policy
        )
        self.pixel_projection.build((self.num_outputs, self.width))

    def call(self, images: Any, training: bool = False) -> Any:
        if images.shape[0] == 0:
            raise StampError("images must hold at least one image, but the set is empty; give B >= 1 images.")
        coarse = images
        if self.block_size > 1:
            coarse = ops.average_pool(
                images, self.block_size, strides=self.block_size, padding="same", data_format="channels_last"
            )
        pixels = self.pixel_projection(self.features(coarse, training))
        pixels = ops.reshape(pixels, (self.num_outputs, *self.coarse_shape))
        if self.block_size == 1:
            return pixels
        return ops.image.resize(
            pixels, self.image_shape[:2], interpolation="bilinear", data_format="channels_last"
        )

    def compute_output_shape(self, images_shape: Shape) -> Shape:
        return (self.num_outputs, *images_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_outputs": self.num_outputs,
            "width": self.width,
            "resolution": self.resolution,
        }


def require_positive(**options: int) -> None:
    """Check counts given by a user.

    Args:
        **options: Name and value of each.

    Raises:
        StampError: If one is below 1.
    """
    for name, value in options.items():
        if value < 1:
            raise StampError(f"{name} must be at least 1, but it is {value}; give a positive number.")
