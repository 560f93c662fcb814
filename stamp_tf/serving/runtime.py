"""Import the runtime of a format, and say what to install where it is missing."""

from __future__ import annotations

import importlib
import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from stamp_tf.errors import StampError
from stamp_tf.export.marks import checksum
from stamp_tf.storage.records import decode
from stamp_tf.storage.schemas import Contract, TakenImages

logger = logging.getLogger(__name__)

_MOST_WORDS = 160  # Letters of what a runtime answers; some add the path of every source file that took part.
_PLACE = re.compile(r":\d+:$")
"""How lines end that say where in its source OpenVINO failed; why comes in a line behind them."""


class MissingRuntime(StampError):
    """What a format is read by is not installed."""


def import_runtime(module: str, *, extra: str, source: Path) -> ModuleType:
    """Return a runtime's module.

    Args:
        module: Its full name.
        extra: Of stamp-tf, which brings it.
        source: What is to be read, for messages.

    Raises:
        MissingRuntime: If it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingRuntime(
            f"Reading {source} needs {error.name}, which is not installed; pip install 'stamp-tf[{extra}]'."
        ) from error


@contextmanager
def opening(source: Path, *, by: str) -> Iterator[None]:
    """Put what a runtime says of a damaged file, as it opens it or computes by it, into one line.

    Args:
        source: The file.
        by: The runtime.

    Raises:
        StampError: If the block raises anything.
    """
    try:
        yield
    except (StampError, MemoryError):
        raise
    # Runtimes raise errors of any type.
    except Exception as error:
        lines = (str(error).strip() or type(error).__name__).splitlines()
        said = next((line for line in lines if not _PLACE.search(line)), lines[0])
        reason = textwrap.shorten(said, _MOST_WORDS, placeholder=" ...").rstrip(".")
        raise StampError(
            f"{source} must be a whole network, but {by} answers '{reason}'; export it anew."
        ) from error


def warn_of_changes(*parts: bytes, wanted: str | None, source: Path) -> None:
    """Say so where a runtime computes from other bytes than were exported, which it does not notice itself.

    Args:
        parts: What it computes from.
        wanted: The checksum of what was exported; None for files of before there was one.
        source: The file, for messages.
    """
    # No refusal: other programs may make a file smaller and keep what it says of itself.
    if wanted is not None and checksum(*parts) != wanted:
        logger.warning(
            "%s is not as it was exported: damaged, or changed by another program. Its answers may be wrong; export it "
            "anew.",
            source,
        )


def checked_size(taken: Sequence[int], said: TakenImages, *, source: Path) -> tuple[int, int, int]:
    """Return height, width and depth of the images that a network takes.

    Args:
        taken: What the network itself says, `[height, width, depth]`.
        said: What the file says of it.
        source: The file.

    Raises:
        StampError: If they are not the same.
    """
    if tuple(taken) != said.image_shape:
        found, expected = ("x".join(map(str, shape)) for shape in (taken, said.image_shape))
        raise StampError(
            f"{source} must be as it was exported, but takes images of {found} where it says {expected}; export it "
            "anew."
        )
    return said.image_shape


def read_contract(content: bytes | str | None, *, source: Path) -> Contract:
    """Return what an exported file says of itself.

    Args:
        content: JSON, or None where the file holds none.
        source: The file.

    Raises:
        StampError: If it holds none, or something else.
    """
    if content is None:
        raise StampError(
            f"{source} must be whole and written by stamp-tf, but has no contract; export it anew."
        )
    content = content.encode() if isinstance(content, str) else content
    return decode(content, Contract, source=source, remedy="export it anew")
