"""What the encoders share: resolution, options."""

import keras
import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.set_encoders.set_encoder import SetEncoder


@keras.saving.register_keras_serializable(package="stamp_tf_tests")
class MeanColour(SetEncoder):
    """The smallest set encoder: the mean image's first features."""

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        self.seen_shape = coarse_shape

    def features(self, coarse: np.ndarray, training: bool) -> np.ndarray:
        flat = keras.ops.reshape(keras.ops.mean(coarse, 0), (1, -1))[:, : self.width]
        return keras.ops.tile(flat, (self.num_outputs, 1))


@pytest.mark.parametrize(
    ("resolution", "shape", "seen"),
    [
        (16, (32, 32, 3), (16, 16, 3)),
        (16, (33, 40, 3), (11, 14, 3)),
        (16, (16, 8, 1), (16, 8, 1)),
        (None, (64, 64, 3), (64, 64, 3)),
    ],
)
def test_it_sees_at_most_its_resolution(
    resolution: int | None, shape: tuple[int, int, int], seen: tuple[int, int, int]
) -> None:
    encoder = MeanColour(width=4, resolution=resolution)
    assert tuple(encoder(np.zeros((2, *shape), "float32")).shape) == (1, *shape)
    assert encoder.seen_shape == seen


def test_coarse_pixels_are_means_of_blocks() -> None:
    encoder = MeanColour(width=4, resolution=2)
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype("float32")
    encoder.build((None, 4, 4, 1))
    encoder.pixel_projection.set_weights([np.eye(4), np.zeros(4)])
    blocks = images.mean(0).reshape(2, 2, 2, 2).mean((1, 3))
    result = np.asarray(encoder(images))[0, :, :, 0]
    # Bilinear interpolation by two leaves the corners as they are.
    np.testing.assert_allclose(result[::3, ::3], blocks, atol=1e-6)


@pytest.mark.parametrize("option", ["num_outputs", "width", "resolution"])
def test_counts_must_be_positive(option: str) -> None:
    with pytest.raises(StampError, match=f"{option} must be at least 1, but it is 0"):
        MeanColour(**{option: 0})


def test_images_of_unknown_size_are_refused() -> None:
    with pytest.raises(StampError, match="images must have a known height, width and depth"):
        MeanColour().build((None, None, 32, 3))


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(StampError, match="images must hold at least one image"):
        MeanColour(width=4)(np.zeros((0, 8, 8, 3), "float32"))
