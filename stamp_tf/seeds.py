"""Which numbers are seeds."""

from stamp_tf.errors import StampError

# What NumPy's and Keras's generators take.
LARGEST_SEED = 2**32 - 1


def check_seed(seed: int) -> None:
    """Refuse a number that some generator down the road would not take.

    Raises:
        StampError: If it is out of range.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise StampError(f"`seed` must be between 0 and {LARGEST_SEED}, but is {seed}; give another.")
