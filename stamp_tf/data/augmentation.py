"""Random crops and mirror images, a whole batch at once."""

import numpy as np


def crop_and_flip(
    images: np.ndarray,
    rng: np.random.Generator,
    *,
    padding: int,
    flip: bool | np.ndarray,
    num_drawn: int | None = None,
    part: slice = slice(None),
) -> np.ndarray:
    """Crop each image at random from its padded self, and mirror half of them.

    The border is padded by reflection, so that no black frame tells how far an image has moved.

    Args:
        images: uint8 `[b, H, W, D]`.
        rng: Source of randomness; the same number of draws whatever the images.
        padding: Pixels on every side, in [0, min(H, W)).
        flip: Whether to mirror left to right, for all or each, bool `[b]`.
        num_drawn: Images to draw for, where these are a part of a batch; None for all of these.
        part: Which of them these are.

    Returns:
        uint8 `[b, H, W, D]`.
    """
    num_images, height, width, depth = images.shape
    shape = (num_images if num_drawn is None else num_drawn, 1)
    top = rng.integers(0, 2 * padding + 1, shape)[part]
    left = rng.integers(0, 2 * padding + 1, shape)[part]
    mirrored = (rng.random(shape) < 0.5)[part]
    rows = _reflected(height, padding)[top + np.arange(height)]
    columns = _reflected(width, padding)[left + np.arange(width)]
    mirrored &= np.reshape(flip, (-1, 1))
    columns = np.where(mirrored, columns[:, ::-1], columns)
    # Padding, crop and mirror are one gather of whole pixels (D bytes each), without a loop over images.
    first = (np.arange(num_images) * (height * width))[:, None]
    positions = (first + rows * width)[:, :, None] + columns[:, None, :]
    pixels = np.ascontiguousarray(images).view(f"V{depth}").reshape(-1)
    return pixels.take(positions).view(np.uint8).reshape(images.shape)


def _reflected(length: int, padding: int) -> np.ndarray:
    """Return which pixel stands at each position of a padded line, int64 `[length + 2 * padding]`."""
    return np.pad(np.arange(length), padding, mode="reflect")
