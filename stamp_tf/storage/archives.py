"""Zip archives of strangers: what they say of their size is checked before anything is unpacked."""

import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from stamp_tf.errors import StampError

# Files that are no archive of ours, encrypted, truncated or damaged raise any of these while they are read.
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    TokenError,
)

_ALWAYS_FINE = 16 * 2**20
_LARGEST_RATIO = 100
_MEGABYTE = 2**20


def check_is_file(path: Path) -> None:
    """Refuse a path where no network can lie.

    Args:
        path: Of a `.keras` file.

    Raises:
        StampError: If it is not there, or no file.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "something else" if path.exists() else "not there"
        raise StampError(f"A network must be a .keras file, but {path} is {what}; check the path.")


def check_sizes(archive: zipfile.ZipFile, *, source: object, remedy: str) -> None:
    """Refuse an archive that unpacks to far more than it holds, or that needs a password.

    Args:
        archive: Opened for reading.
        source: Where it comes from, for messages.
        remedy: What to do about it, for messages.

    Raises:
        StampError: In one line that names the member.
    """
    for member in archive.infolist():
        if member.flag_bits & 0x1:
            raise StampError(f"{source} must be readable, but {member.filename} is encrypted; {remedy}.")
        if member.file_size > max(_ALWAYS_FINE, _LARGEST_RATIO * member.compress_size):
            raise StampError(
                f"{source} must unpack to what a network takes, but {member.filename} grows from "
                f"{member.compress_size / _MEGABYTE:.1f} to {member.file_size / _MEGABYTE:.0f} MiB; {remedy}."
            )


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read one array of an archive that `numpy.savez` wrote.

    The shape in an array's header is compared with the bytes that are there before memory is taken for it.

    Args:
        archive: Opened for reading.
        name: The array's name.

    Raises:
        ValueError: If the header and the bytes do not fit each other, or the array holds Python objects.
    """
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > member.compress_size > 0 or member.flag_bits & 0x1:
        raise ValueError(f"{name} is packed or encrypted")
    with archive.open(member) as file:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{name} has the shape {shape} of {dtype} in {member.file_size} bytes")
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the arrays in an archive that `numpy.savez` wrote, in its order."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
