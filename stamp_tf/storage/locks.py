"""One process at a time in a folder: a lock that dies with its process."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)

LOCK = ".lock"
# Windows locks bytes and lets nobody read them; this one is behind whatever the file says.
_LOCKED_BYTE = 2**30


class FolderTaken(StampError):
    """A folder that somebody else uses, so that another one has to be taken."""


_held: dict[str, int] = {}


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other processes, and other threads of this one, out of a folder while the block runs.

    The system takes the lock back when its process ends, however it ends; the file `.lock` alone says nothing. A
    thread that holds the lock may ask for it again.

    Args:
        folder: The folder; it exists.

    Yields:
        Whether there is a lock; some file systems, mostly of a network, have none.

    Raises:
        FolderTaken: If somebody else is at work in the folder.
    """
    key = os.path.realpath(folder)
    if _held.get(key) == threading.get_ident():
        yield True
        return
    descriptor = _open(folder)
    try:
        is_locked = descriptor is not None
        if is_locked:
            _held[key] = threading.get_ident()
        yield is_locked
    finally:
        if descriptor is not None:
            _held.pop(key, None)
            # While it is held, so that nobody is left with a lock on a file that has no name.
            _forget(folder / LOCK)
            os.close(descriptor)


def _open(folder: Path) -> int | None:
    """Return the descriptor of the lock that was taken; None where the file system has none."""
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor)
        except (BlockingIOError, PermissionError):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise FolderTaken(
                f"{folder} must be free, but {holder} is at work in it; wait until it has ended, or choose "
                "another folder."
            ) from None
        except OSError as error:
            os.close(descriptor)
            _forget(path)
            logger.warning(
                "Warning: the file system of %s has no locks (%s); do not start a second command in it.",
                folder,
                error.strerror,
            )
            return None
        # Whoever held it before may have removed the file between the two calls above.
        if _is_same(descriptor, path):
            break
        os.close(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
    except OSError:
        # A disk without space: what was just made goes, so that the folder can.
        _forget(path)
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    words = os.pread(descriptor, 200, 0).decode(errors="replace").split() if hasattr(os, "pread") else []
    if len(words) < 2 or not words[0].isdecimal():
        return "another process"
    return f"process {words[0]} on {words[1]}"


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # Windows removes no open file
        return
