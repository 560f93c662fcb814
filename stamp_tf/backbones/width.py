"""The width factor that every backbone shares."""

from stamp_tf.errors import StampError


def scale_width(channels: int, width: float) -> int:
    """Return `channels` scaled by `width`, rounded, at least 1.

    Raises:
        StampError: If `width` is not above 0.
    """
    if not width > 0:
        raise StampError(f"--width must be above 0, but got {width}; use 1 for the published network.")
    return max(1, round(channels * width))
