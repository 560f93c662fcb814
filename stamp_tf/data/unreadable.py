"""What is raised for a picture that cannot be used."""


class UnreadableImage(Exception):
    """A picture that cannot be decoded; the message says why in a few words."""


def reason(error: Exception) -> str:
    """Return in a few words why a picture could not be decoded.

    Args:
        error: What Pillow, or the system, raised.
    """
    from PIL import UnidentifiedImageError

    if isinstance(error, UnreadableImage):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        # Some kinds of TIFF are among them, such as one of colours in floating-point numbers.
        return "not an image of BMP, GIF, JPEG, PNG, PPM, TIFF or WebP, or of a kind of these that Pillow cannot read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split("\n")[0] or type(error).__name__
