"""From files, folders and patterns to the pictures that are meant."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from stamp_tf.data.image_files import image_files
from stamp_tf.errors import StampError
from stamp_tf.printable import printable

logger = logging.getLogger(__name__)


def find_pictures(given: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the pictures that files, folders and patterns stand for, in the order given.

    Args:
        given: Files, of whatever name; folders, whose image files and those of all folders below are taken, sorted;
            patterns such as `more/*.jpg`, sorted.

    Returns:
        Their paths, written as they were given; at least one.

    Raises:
        StampError: If something is not there, or a folder or pattern holds no picture.
    """
    found = [path for one in given for path in _of_one(os.fspath(one))]
    if not found:
        raise StampError("`pictures` must name a picture, but are none; name files, folders or patterns.")
    return found


def _of_one(name: str) -> Iterator[Path]:
    if not name:
        raise StampError("`pictures` must be paths, but one is empty; write '.' for this folder.")
    if os.path.lexists(name):
        yield from _of_path(Path(name))
        return
    # What is there is meant as it is, whatever brackets its name has.
    matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []
    if not matches:
        shown = printable(name) if name == name.strip() else repr(name)
        raise StampError(f"`pictures` must be there, but nothing is at {shown}; check the path.")
    for match in matches:
        yield from _of_path(Path(match))


def _of_path(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    passed_over: list[Path] = []
    try:
        found = image_files(path, passed_over=passed_over)
    except OSError as error:
        raise StampError(
            f"`pictures` must be readable, but {error.filename} gave '{error.strerror}'; check the permissions."
        ) from None
    if not found:
        raise StampError(f"`pictures` must hold images, but the folder {path} holds none; check the path.")
    if passed_over:
        logger.warning(
            "%s: %s left out, of types that are not read, such as %s.",
            path,
            "1 picture is" if len(passed_over) == 1 else f"{len(passed_over):,} pictures are",
            printable(str(passed_over[0])),
        )
    return found
