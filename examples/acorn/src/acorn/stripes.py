"""Drawn stripes in three directions."""

import numpy as np

from stamp_tf.data import DataSet, ImageSet, LoadOptions
from stamp_tf.data.split import with_test_split
from stamp_tf.errors import StampError

CLASS_NAMES = ("across", "down", "diagonal")


def stripes(argument: str, options: LoadOptions) -> DataSet:
    """Draw grey images of 16 x 16 pixels.

    Args:
        argument: Images per class; 100 if empty.
        options: Nothing in them matters here; the caller resizes.

    Raises:
        StampError: If the argument is not a number of at least 5.
    """
    if argument and (not argument.isdecimal() or int(argument) < 5):
        raise StampError(
            f"`dataset` stripes:COUNT must count at least 5 images per class, but got {argument}; "
            "write stripes:100."
        )
    labels = np.tile(np.arange(3, dtype=np.int32), int(argument or 100))
    rows, columns = np.mgrid[:16, :16]
    directions = np.stack([rows, columns, rows + columns])[labels]
    rng = np.random.default_rng(0)
    waves = np.sin(0.8 * directions + rng.uniform(0, 2 * np.pi, (len(labels), 1, 1)))
    noisy = 128 + 80 * waves + rng.normal(0, 20, waves.shape)
    images = ImageSet(noisy.clip(0, 255).astype(np.uint8)[..., None], labels, 3, class_names=CLASS_NAMES)
    # Mirrored, a diagonal runs the other way.
    return with_test_split("stripes", images, flips=False)
