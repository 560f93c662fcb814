"""Every way in which a run's files are written, moved and removed; each survives a kill at any instant."""

import ctypes
import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from stamp_tf.storage.writing import writing

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# `.NAME.PROCESS.tmp` with the ending of NAME behind it or before, and `.NAME.PROCESS.old`.
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.(?P<kind>tmp|old)(?:\.[^.]+)?")


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; its folder must exist.
        data: The content.

    Raises:
        StampError: If the disk refuses; it names the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with open(temporary, "wb") as file:
                write_through(file, data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append one line to a file of lines, in one write.

    Args:
        path: The file; made if it is missing.
        line: Without its end.

    Raises:
        StampError: If the disk refuses; it names the file.
    """
    with writing(path), open(path, "ab") as file:
        write_through(file, f"{line}\n".encode())


def write_through(file: BinaryIO, data: bytes) -> None:
    """Write bytes and wait until the disk has them.

    Args:
        file: Open for writing.
        data: The content.
    """
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def put_in_place(temporary: Path, path: Path) -> None:
    """Move what was built at `temporary` to `path`; a folder that stood there ends at `temporary`, to be removed.

    On Linux two folders are exchanged in one system call; where that call is missing, a kill between two renames
    leaves the old one beside its place, named `.NAME.PROCESS.old`, from where `sweep` brings it back.

    Args:
        temporary: A file or folder.
        path: Its place.
    """
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
    # What Python itself announces before it renames.
    sys.audit("os.rename", os.fspath(first), os.fspath(second), -1, -1)
    return rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with what it holds; one that is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> bool:
    """Remove a folder that holds nothing; return whether it is gone."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def is_leftover(name: str) -> bool:
    """Return whether a file name is one that a killed process leaves behind."""
    return _LEFTOVER.fullmatch(name) is not None


def sweep(folder: Path, *, names: Iterable[str] | None = None) -> None:
    """Remove what killed processes left half-built in a folder, and bring back what they had moved aside.

    Args:
        folder: The folder; nobody else may write to it while this runs.
        names: Only what belongs to these files, and only where the process that made it is gone; None takes all.
    """
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        match = _LEFTOVER.fullmatch(entry.name)
        if match is None:
            continue
        if names is not None and (match["name"] not in names or _is_alive(int(match["process"]))):
            continue
        place = folder / match["name"]
        if match["kind"] == "old" and not place.exists():
            os.replace(entry, place)
        else:
            remove(entry)


def _is_alive(process: int) -> bool:
    """Return whether a process of this machine runs."""
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
