"""Reference networks that come with the library, trained on CIFAR-100; each has a card beside it."""

from importlib.resources import as_file, files

from stamp_tf.errors import StampError
from stamp_tf.meta.reference import Reference, load_reference


def bundled_names() -> tuple[str, ...]:
    """Return the backbones that a bundled reference exists for."""
    folder = files(__name__)
    return tuple(
        sorted(entry.name.removesuffix(".npz") for entry in folder.iterdir() if entry.name.endswith(".npz"))
    )


def load_bundled(backbone: str) -> Reference:
    """Load the bundled reference of a backbone.

    Args:
        backbone: Its registered name.

    Raises:
        StampError: If there is none.
    """
    if backbone not in bundled_names():
        raise StampError(
            f"--from is needed for --backbone {backbone}: references come with the library for "
            f"{' and '.join(bundled_names()) or 'none'} only; make one with pretrain and meta-train."
        )
    with as_file(files(__name__) / f"{backbone}.npz") as path:
        return load_reference(path)
