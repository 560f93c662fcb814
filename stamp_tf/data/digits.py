"""Handwritten digits that come with scikit-learn, so that something real works without a network."""

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.subset import held_out_indices
from stamp_tf.errors import StampError


def digits(argument: str, options: LoadOptions) -> DataSet:
    """Load 1,797 gray images of 8 x 8 pixels, written by 43 people.

    A fifth of every class is the test set, always the same one, so that figures of two runs compare. It was drawn by
    lot, not by content as in `split.py`, and stays for the sake of figures that are published.

    Args:
        argument: Must be empty.
        options: Nothing in them matters here; the caller resizes.

    Raises:
        StampError: If there is an argument.

    Source:
        Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI.
    """
    from sklearn.datasets import load_digits

    if argument:
        raise StampError(
            f"`dataset` digits must stand alone, but is followed by '{argument}'; leave that out."
        )
    source = load_digits()
    # The source counts ink in 17 steps from 0 to 16.
    images = np.rint(source.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = source.target.astype(np.int32)
    every = ImageSet(images, labels, 10, class_names=tuple(str(digit) for digit in range(10)))
    test = held_out_indices(labels, fraction=0.2, seed=0)
    train = np.setdiff1d(np.arange(len(labels)), test, assume_unique=True)
    return DataSet("digits", every.take(train), every.take(test), flips=False)
