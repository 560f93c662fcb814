"""Build an export beside its final place, then put it there in one move."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stamp_tf.storage.files import put_in_place, remove, sweep
from stamp_tf.storage.writing import writing


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Hand out a name beside `path`, and move what was built there to `path` at the end.

    The old export stays in its place until the new one is complete: an exception or a kill while the block
    runs leaves it untouched. On Linux the two are exchanged in one system call; where that call is missing, a
    kill between two renames leaves the old export beside its place, from where the
    next export brings it back.

    Args:
        path: The file or folder to write; its parent is made if missing.

    Yields:
        The name to build at, with the same suffix as `path`; nothing exists there yet.

    Raises:
        StampError: If the disk refuses (no space, no permission, a file where a folder is needed).
    """
    path = Path(path).absolute()
    temporary = _beside(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, names=(path.name, path.stem))
        remove(temporary)
        try:
            yield temporary
            put_in_place(temporary, path)
        finally:
            remove(temporary)


def check_writable(path: Path) -> None:
    """Refuse a place where `staged` could not write, before the work that fills it; nothing is left there.

    Args:
        path: The file or folder to be written.

    Raises:
        StampError: If the disk refuses.
    """
    path = Path(path).absolute()
    with writing(path):
        # Folders that are missing are made in the first one that is there.
        folder = next(one for one in path.parents if one.exists())
        temporary = folder / _beside(path).name
        try:
            with open(temporary, "wb") as file:
                file.write(b"0")
        finally:
            remove(temporary)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
