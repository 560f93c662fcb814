"""Build an export beside its final place, then put it there in one move."""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stamp_tf.errors import StampError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Hand out a name beside `path`, and move what was built there to `path` at the end.

    The old export stays in its place until the new one is complete: an exception or a kill while the block
    runs leaves it untouched. On Linux the two are exchanged in one system call; where that call is missing, a
    kill between two renames leaves the old export beside its place, named `.<name>.<process>.old`.

    Args:
        path: The file or folder to write; its parent is made if missing.

    Yields:
        The name to build at, with the same suffix as `path`; nothing exists there yet.

    Raises:
        StampError: If the disk refuses (no space, no permission, a file where a folder is needed).
    """
    path = Path(path).absolute()
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        try:
            yield temporary
            _put(temporary, path)
        finally:
            _remove(temporary)
    except OSError as error:
        raise StampError(
            f"path must be writable, but {path} gave '{error.strerror or error}'; free some space "
            "or choose another."
        ) from error


def _put(temporary: Path, path: Path) -> None:
    """Move `temporary` to `path`; a folder that stood there ends at `temporary`, to be removed."""
    if not path.is_dir():
        os.replace(temporary, path)
    elif not _exchange(temporary, path):
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names at once (renameat2); False where the system or the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
