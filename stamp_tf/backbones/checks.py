"""What the built-in backbones ask of their arguments."""

from stamp_tf.errors import StampError
from stamp_tf.options.fields import is_number

_WIDEST = 16


def scale_width(channels: int, width: float) -> int:
    """Return `channels` scaled by `width`, rounded, at least 1.

    Raises:
        StampError: If `width` is no number above 0, or asks for more channels than a machine can bear.
    """
    if not is_number(width) or not 0 < width <= _WIDEST:
        raise StampError(
            f"`width` must be a number above 0 and at most {_WIDEST}, but got {width!r}; 1 is as published."
        )
    return max(1, round(channels * width))


def check_image_size(input_shape: tuple[int, int, int], *, smallest: int = 32) -> None:
    """Refuse images that the poolings and strides would leave nothing of.

    Args:
        input_shape: Height, width and depth.
        smallest: Smallest height and width.

    Raises:
        StampError: If the images are smaller.
    """
    if min(input_shape[:2]) < smallest:
        raise StampError(
            f"`image_shape` must be at least {smallest} for this backbone, but got {tuple(input_shape)}; "
            f"enlarge the images with `image_shape={smallest}`."
        )
