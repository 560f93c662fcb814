"""What code in C++ prints, which goes past Python's streams and log levels."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def streams_in_log(who: str) -> Iterator[None]:
    """Send both streams of the process into the log, line by line, at the level of debugging.

    Args:
        who: Whom the log names.
    """
    with tempfile.TemporaryFile() as file:
        kept = [(stream, os.dup(stream)) for stream in (1, 2)]
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for stream, _ in kept:
                os.dup2(file.fileno(), stream)
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
            file.seek(0)
            for line in file.read().decode("utf-8", "replace").splitlines():
                logger.debug("%s says: %s", who, line)
