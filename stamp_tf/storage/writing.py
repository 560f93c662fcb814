"""What a disk refuses to write, in one line that names the file."""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from stamp_tf.errors import StampError

REMEDIES = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.EFBIG: "free some space or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "change its permissions or choose another folder",
    errno.EPERM: "change its permissions or choose another folder",
    errno.ELOOP: "mend the link or choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What the machine refuses, and what a user can do about it."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file where the disk refuses what the block writes: no space, no permission, a file too large.

    Args:
        path: The file or folder that the block is to write.

    Raises:
        StampError: In place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error


def refusal(path: str | os.PathLike[str], error: Exception) -> StampError:
    """Return one line for a write that failed.

    Args:
        path: What was to be written.
        error: Of Python, or of a library of C++ that says the reason in its words alone.
    """
    number = error_number(error)
    reason = " ".join(str(error).split()) if number is None else os.strerror(number)
    remedy = REMEDIES.get(number or 0, "free some space or choose another folder")
    return StampError(f"Cannot write {os.fspath(path)}: {reason.rstrip('.')}; {remedy}.")


def refusal_of_temporary_files(error: BaseException) -> StampError | None:
    """Return one line for a library that found no room for its temporary files; None if it failed for another reason.

    Args:
        error: What it raised while it read something.
    """
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        # No folder is left to name; the error lists those that were tried.
        return StampError(f"Cannot write temporary files: {error.strerror}; free some space, or set TMPDIR.")
    if not isinstance(error, Exception) or error_number(error) not in _NO_ROOM:
        return None
    return refusal(getattr(error, "filename", None) or tempfile.gettempdir(), error)


def error_number(error: Exception) -> int | None:
    """Return the system's number of an error, if it has one; h5py and TensorFlow say it in words.

    Args:
        error: What was raised.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if stated := re.search(r"errno = (\d+)", str(error)):
        return int(stated[1])
    return next((number for number in REMEDIES if os.strerror(number) in str(error)), None)
