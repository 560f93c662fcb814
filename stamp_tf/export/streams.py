"""What code in C++ prints, which goes past Python's streams and log levels."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger(__name__)


@contextmanager
def streams_in_log(who: str) -> Iterator[None]:
    """Send both streams of the process into the log, line by line, at the level of debugging.

    Args:
        who: Whom the log names.
    """
    with tempfile.TemporaryFile() as file:
        kept = dict(_copies())
        try:
            _flush()
            for stream in kept:
                os.dup2(file.fileno(), stream)
            yield
        finally:
            _flush()
            for stream, copy in kept.items():
                os.dup2(copy, stream)
                os.close(copy)
            file.seek(0)
            for line in file.read().decode("utf-8", "replace").splitlines():
                logger.debug("%s says: %s", who, line)


def _copies() -> Iterator[tuple[int, int]]:
    """Yield the number of each stream that is open, and of a copy."""
    for stream in (1, 2):
        with suppress(OSError):
            yield stream, os.dup(stream)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # What cannot be written is for whoever writes there to say; None is a stream that the caller closed.
        with suppress(OSError, AttributeError):
            stream.flush()
