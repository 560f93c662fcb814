"""Read arrays of an .npz file without trusting it: sizes are checked before anything is unpacked."""

from __future__ import annotations

import math
import os
import stat
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from stamp_tf.errors import StampError

ENCRYPTED = 0x1
"""Bit of a zip member's flags."""

LARGEST_RATIO = 1100
"""Deflate packs no more bytes than this into one, so a member that declares more holds less than it says."""

SHARE_OF_MEMORY = 0.8
"""Arrays that would take more of the machine's memory than this are refused."""


def read_arrays(
    path: Path,
    wanted: Sequence[str],
    where: str,
    *,
    if_too_large: str = "save fewer or smaller images, or use folder:PATH, which is streamed",
) -> dict[str, np.ndarray]:
    """Read some arrays of a file; nothing is ever unpickled.

    Args:
        path: The file.
        wanted: Names of the arrays that matter; others are not looked at.
        where: What to call the file in a message.
        if_too_large: What to do about one that memory does not hold.

    Returns:
        Those that the file has.

    Raises:
        StampError: If it is no .npz file, a damaged or encrypted one, one of Python objects, or too large for the
            machine's memory.
    """
    try:
        _check_regular(path, where)
        # numpy would fall back to pickle for what is neither .npz nor .npy.
        if not zipfile.is_zipfile(path):
            raise StampError(
                f"{where} must be an .npz file, but is something else; write it with numpy.savez."
            )
        with warnings.catch_warnings():
            # A damaged header is Python source that does not parse; its warnings would only repeat that.
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(path) as file:
                members = {
                    name: file.getinfo(f"{name}.npy") for name in wanted if f"{name}.npy" in file.namelist()
                }
                _check_members(file, members, where, if_too_large=if_too_large)
                return {name: _read(file, member) for name, member in members.items()}
    except (StampError, MemoryError):
        raise
    # What a damaged file makes of zipfile and numpy: BadZipFile, zlib.error, NotImplementedError, struct.error,
    # SyntaxError, TokenError, EOFError and more.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise StampError(
            f"{where} must be a whole .npz file, but is damaged ({reason}); write it again."
        ) from None


def _check_regular(path: Path, where: str) -> None:
    """Refuse what is not there, and what would block or never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, ValueError)):
            raise StampError(f"{where} must be a file, but there is none; check the path.") from None
        raise StampError(f"{where} must be readable, but gave '{error.strerror}'; check the path.") from None
    if not stat.S_ISREG(mode):
        raise StampError(f"{where} must be an .npz file, but is something else; write it with numpy.savez.")
    if not os.access(path, os.R_OK):
        raise StampError(f"{where} must be readable, but permission is denied; check the permissions.")


def _check_members(
    file: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], where: str, *, if_too_large: str
) -> None:
    """Read the arrays' headers, and compare what they declare with the file and with the machine."""
    total = 0
    for name, member in members.items():
        if member.flag_bits & ENCRYPTED:
            raise StampError(f"{where} must not be encrypted, but {name} is; write it with numpy.savez.")
        packed = member.compress_type == zipfile.ZIP_DEFLATED
        if member.file_size > (LARGEST_RATIO if packed else math.inf) * (member.compress_size + 1):
            raise StampError(
                f"{where} must be a whole .npz file, but is damaged ({name} declares {member.file_size:,} bytes, more "
                f"than the {member.compress_size:,} in the file can hold); write it again."
            )
        with file.open(member) as stream:
            shape, _, dtype = _header(stream)
            begin = stream.tell()
        if dtype.hasobject:
            raise StampError(
                f"{where} must hold plain arrays, but {name} holds Python objects, which are never unpickled; save "
                "images as uint8, labels as int64 and class_names as strings."
            )
        size = math.prod(shape) * dtype.itemsize
        if size != member.file_size - begin:
            raise StampError(
                f"{where} must be a whole .npz file, but is damaged ({name} declares {size:,} bytes and has "
                f"{member.file_size - begin:,}); write it again."
            )
        total += size
    limit = int(SHARE_OF_MEMORY * usable_memory())
    if total > limit:
        raise StampError(
            f"{where} must fit in memory, but declares {total:,} bytes where {limit:,} are allowed here; "
            f"{if_too_large}."
        )


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return an array's shape, whether it lies column by column, and its type."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream)
    raise ValueError(f"version {version[0]}.{version[1]} of its arrays is unknown")


def _read(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with file.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def usable_memory() -> int:
    """Return in bytes what this process may use, where the system tells; else what a large machine has."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        machine = 64 * 2**30
    try:
        container = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except (OSError, ValueError):
        return machine
    return min(machine, int(container)) if container.isdecimal() else machine
