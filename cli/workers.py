"""What the command line does otherwise where several workers train together."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stamp_tf.workers import Workers


def joined_workers() -> "Workers":
    """Return the workers of TF_CONFIG once they are connected, and let none but the first say more than errors.

    Raises:
        StampError: If TF_CONFIG is wrong, or they cannot be connected.
    """
    from stamp_tf.workers import join_workers

    workers = join_workers()
    if not workers.is_chief:
        logging.getLogger("stamp_tf").setLevel(logging.ERROR)
    return workers
