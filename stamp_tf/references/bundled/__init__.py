"""Reference networks that come with the library, trained on CIFAR-100; each has a card beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.references.reference import Reference


def bundled_names() -> tuple[str, ...]:
    """Return the backbones that a bundled reference exists for."""
    folder = files(__name__)
    return tuple(
        sorted(entry.name.removesuffix(".npz") for entry in folder.iterdir() if entry.name.endswith(".npz"))
    )


@contextmanager
def bundled_file(backbone: str) -> Iterator[Path]:
    """Lend the file of a backbone's bundled reference.

    Args:
        backbone: Its registered name.

    Raises:
        StampError: If there is none.
    """
    if backbone not in bundled_names():
        raise StampError(
            f"`reference` is needed for `backbone={backbone}`: references come with the library for "
            f"{' and '.join(bundled_names()) or 'none'} only; make one with pretrain and meta-train."
        )
    with as_file(files(__name__) / f"{backbone}.npz") as path:
        yield path


def load_bundled(backbone: str) -> Reference:
    """Load the bundled reference of a backbone.

    Args:
        backbone: Its registered name.

    Raises:
        StampError: If there is none.
    """
    # Here, so that the description of a bundled file can be read without loading Keras.
    from stamp_tf.references.reference_file import load_reference

    with bundled_file(backbone) as path:
        return load_reference(path)
